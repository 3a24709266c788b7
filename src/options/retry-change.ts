/** What a retry may change about its task, besides when it runs: some of the options of a call. */
import type { Duration } from '../duration.js';
import { checkLimits } from './checks.js';
import { optionTable, type Provided } from './option-table.js';
import { CALL_OPTIONS } from './tables/call.js';

/** Options that `this.retry()` takes for the attempts that follow. */
export interface RetryChangeOptions {
  /** Go on in this queue. */
  queue?: string;
  priority?: number;
  /** Beside those that the task has; one of the same name replaces it. */
  headers?: Readonly<Record<string, unknown>>;
  /** Beside those that the task has. */
  tags?: readonly string[];
  shadow?: string;
  softTimeLimit?: Duration | null;
  timeLimit?: Duration | null;
}

const { queue, priority, headers, tags, shadow, softTimeLimit, timeLimit } = CALL_OPTIONS;
const DEFINITIONS = { queue, priority, headers, tags, shadow, softTimeLimit, timeLimit };
const TABLE = optionTable<RetryChangeOptions>()(DEFINITIONS);

/** The names of these options. */
export const RETRY_CHANGES: readonly string[] = TABLE.names();

/** {@link RetryChangeOptions} in resolved form. */
export type RetryChanges = Provided<typeof DEFINITIONS>;

/**
 * The given ones; `undefined` if there are none.
 * @throws {OptionError} for an invalid value
 */
export function retryChanges(options: object, where: string): RetryChanges | undefined {
  const given = Object.entries(options).filter(
    ([name, value]) => value !== undefined && RETRY_CHANGES.includes(name),
  );
  if (given.length === 0) return undefined;
  const read = TABLE.readGiven(Object.fromEntries(given), { where, now: 0, timezone: undefined });
  checkLimits(read.softTimeLimitMs ?? undefined, read.timeLimitMs ?? undefined, where);
  return read;
}
