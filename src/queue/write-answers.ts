/**
 * Classifies a broker's answers to the write of an outcome. The task's body has ended by then, so such an answer must never
 * become the task's error: the write is repeated until the answer is final, or the task is delivered again.
 *
 *   answer     means                                                         then
 *   gone       the job is no longer ours, or an earlier try was written      nothing is written
 *   refused    this very outcome can never be stored                         a failure that says so is written
 *   again      the broker cannot write now, whatever the reason              the same write, a little later
 */

import { CeleriacError, isCeleriacError } from '../errors.js';

export type WriteAnswer = 'again' | 'gone' | 'refused';

/** BullMQ's codes: no such job, no lock, not active, another's lock. */
const GONE_CODES: ReadonlySet<unknown> = new Set([-1, -2, -3, -6]);
/** BullMQ's codes: children are pending, or one of them has failed. Flows of other programs have those. */
const REFUSED_CODES: ReadonlySet<unknown> = new Set([-4, -9]);

/** Redis' errors for a command over its size limits. */
const TOO_LARGE_FOR_REDIS =
  /string exceeds maximum allowed size|invalid bulk length|invalid multibulk length/i;
/** SQLSTATE classes for bad values: data exceptions, constraint violations, and program limits. */
const REFUSED_BY_POSTGRES = /^(?:22|23|54)[0-9A-Z]{3}$/;

/** What the error of a write means. */
export function writeAnswer(error: unknown): WriteAnswer {
  if (!(error instanceof Error)) return 'again';
  const code = 'code' in error ? error.code : undefined;
  if (GONE_CODES.has(code)) return 'gone';
  if (REFUSED_CODES.has(code)) return 'refused';
  // Thrown in this process while encoding the command: the value can never be encoded.
  if (error instanceof RangeError || error instanceof TypeError) return 'refused';
  if (typeof code === 'string' && REFUSED_BY_POSTGRES.test(code)) return 'refused';
  return TOO_LARGE_FOR_REDIS.test(error.message) ? 'refused' : 'again';
}

/**
 * Whether an error comes from the broker, its driver or the network, so that the request may be retried. Errors of our own
 * and of code that would fail again do not count.
 */
export function isBrokersFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof CeleriacError)
    return isCeleriacError(error, 'BROKER') || isCeleriacError(error, 'BROKER_UNAVAILABLE');
  if (writeAnswer(error) === 'refused') return false;
  if (FROM_A_DRIVER.has(error.name)) return true;
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code < 0 : isDriversCode(code) || FROM_A_CONNECTION.test(error.message);
}

/** Names of the errors of ioredis and pg. */
const FROM_A_DRIVER: ReadonlySet<string> = new Set([
  'ReplyError',
  'AbortError',
  'MaxRetriesPerRequestError',
  'ClusterAllFailedError',
]);
const FROM_A_CONNECTION =
  /Connection is closed|Connection terminated|connection timeout|Connection ended|Stream isn't writeable|Too many Cluster redirections|enableOfflineQueue|Query read timeout|timeout exceeded when trying to connect/i;

/** System errors of sockets, and SQLSTATEs. */
function isDriversCode(code: unknown): boolean {
  return typeof code === 'string' && /^(?:E[A-Z_]{3,}|[0-9A-Z]{5})$/.test(code) && !code.startsWith('ERR_');
}
