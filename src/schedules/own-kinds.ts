/** Asks the code of a schedule of a kind of its own for its next tick. */
import { OptionError } from '../errors.js';
import type { OwnSchedule } from '../options/declared-schedules.js';
import { show } from '../show.js';

/** The next tick after a moment, both epoch ms; `undefined` for none. */
export type OwnNext = (after: number) => number | undefined;

/**
 * @param name the schedule's, for errors
 * @returns a function that throws what the code throws, and an OptionError for an answer that is no later moment
 */
export function ownNext(own: OwnSchedule, name: string): OwnNext {
  return (after) => {
    const answer: unknown = own.next(new Date(after));
    if (answer === null || answer === undefined) return undefined;
    const at = answer instanceof Date ? answer.getTime() : Number.NaN;
    if (at > after) return at;
    const since = new Date(after).toISOString();
    throw new OptionError(
      `schedule "${name}": next(${since}) must give a later Date, or null for no more ticks; it gave ${show(answer)}.`,
    );
  };
}
