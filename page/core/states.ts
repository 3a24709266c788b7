/** The states of tasks. A task's own are any other upper-case words. */
export const STATES = ['PENDING', 'STARTED', 'RETRY', 'WAITING', 'SUCCESS', 'FAILURE', 'REVOKED'] as const;

const BUILT_IN: ReadonlySet<string> = new Set(STATES);
const ENDED: ReadonlySet<string> = new Set(['SUCCESS', 'FAILURE', 'REVOKED']);

export function isOwn(state: string): boolean {
  return !BUILT_IN.has(state);
}

export function isEnded(state: string): boolean {
  return ENDED.has(state);
}

/** Whether code of the task runs now: a state of its own is one it has given itself. */
export function isRunning(state: string): boolean {
  return state === 'STARTED' || isOwn(state);
}

/** The end of the class with a state's colours. */
export function lookOf(state: string): string {
  return isOwn(state) ? 'own' : state.toLowerCase();
}
