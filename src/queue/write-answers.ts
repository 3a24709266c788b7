/**
 * What a broker's answer to the write of an outcome means. A body has ended by then, so the answer can never become the
 * task's error: the write is made again until the broker says something final, or the task is delivered again.
 *
 *   answer     means                                                         then
 *   gone       the job is not ours any more, or an earlier try got through   nothing is written
 *   refused    this very outcome can never be stored                         a failure that says so is
 *   again      the broker cannot write now, whatever the reason              the same write, a little later
 */

import { CeleriacError, isCeleriacError } from '../errors.js';

export type WriteAnswer = 'again' | 'gone' | 'refused';

/** BullMQ's codes: no such job, no lock, not active, somebody else's lock. */
const GONE_CODES: ReadonlySet<unknown> = new Set([-1, -2, -3, -6]);
/** BullMQ's codes: children are pending, or one of them has failed. Flows of other programs have those. */
const REFUSED_CODES: ReadonlySet<unknown> = new Set([-4, -9]);

/** What Redis says of a command that is larger than it takes, whoever sends it. */
const TOO_LARGE_FOR_REDIS =
  /string exceeds maximum allowed size|invalid bulk length|invalid multibulk length/i;
/** SQLSTATE classes that blame the values: data exceptions, constraints, and limits of the server's program. */
const REFUSED_BY_POSTGRES = /^(?:22|23|54)[0-9A-Z]{3}$/;

/** @param error what the write rejected with */
export function writeAnswer(error: unknown): WriteAnswer {
  if (!(error instanceof Error)) return 'again';
  const code = 'code' in error ? error.code : undefined;
  if (GONE_CODES.has(code)) return 'gone';
  if (REFUSED_CODES.has(code)) return 'refused';
  // Thrown on this side while the command was made: a value that cannot be encoded at all.
  if (error instanceof RangeError || error instanceof TypeError) return 'refused';
  if (typeof code === 'string' && REFUSED_BY_POSTGRES.test(code)) return 'refused';
  return TOO_LARGE_FOR_REDIS.test(error.message) ? 'refused' : 'again';
}

/**
 * Whether an error is the broker's, its driver's or the network's: whatever was asked may be asked again. Ours, and those
 * of code that cannot run better a second time, are not.
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

/** Names that ioredis and pg give their errors. */
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
