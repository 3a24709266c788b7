/** The task option `argsRepr`. */

/**
 * What is shown instead of the arguments of a task: called with them, as the task is. Gives a text, or a list of values to
 * show in their place. It must answer at once; whatever it throws is shown as `[hidden]`.
 */
export type ArgsRepr = (...args: never[]) => unknown;
