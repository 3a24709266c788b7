/** The option `queues` of an app: the queues it declares, and the refusal of any other name. */
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { checkQueueName } from './checks.js';
import { nearest } from './names.js';

/** The names of the queues that an app has; undefined if it declares none, so that any name is a queue. */
export type DeclaredQueues = readonly string[] | undefined;

/** Reads the option. @throws {OptionError} for anything but a list of names */
export function queueNames(given: unknown, where: string): readonly string[] {
  if (!Array.isArray(given))
    throw new OptionError(
      `${where} must be a list of names, such as ['mail', 'reports'], not ${show(given)}.`,
    );
  const names: readonly unknown[] = given;
  return [
    ...new Set(
      names.map((name) => {
        checkQueueName(name, where);
        return name;
      }),
    ),
  ];
}

/**
 * @param where who names the queue, as the error begins
 * @throws {OptionError} for a queue that is not declared, with the nearest one
 */
export function checkDeclared(declared: DeclaredQueues, queue: string, where: string): void {
  if (declared === undefined || declared.includes(queue)) return;
  const near = nearest(queue, declared);
  const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
  throw new OptionError(
    `${where}: the queue ${show(queue)} is none of those that the app declares.${hint} Declared: ${declared.join(', ')}; ` +
      'add it to the option queues of the app.',
  );
}
