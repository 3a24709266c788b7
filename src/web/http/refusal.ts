/** Why a request is not answered as asked: the status, and the `code` and `message` of the answer. */

import type { CeleriacErrorCode } from '../../errors.js';
import { CeleriacError, isCeleriacError } from '../../errors.js';

/** Ends a request with a status. */
export class Refusal extends CeleriacError {
  constructor(
    readonly status: number,
    /** `code` of the answer. */
    readonly reason: string,
    message: string,
    readonly headers?: Readonly<Record<string, string>>,
  ) {
    super(message);
  }
}

/** The statuses of errors that a caller can do something about; any other is our failure. */
const STATUSES: ReadonlyMap<CeleriacErrorCode, number> = new Map<CeleriacErrorCode, number>([
  ['OPTION', 400],
  ['INVALID_ARGUMENTS', 400],
  ['NOT_SERIALIZABLE', 400],
  ['USAGE', 400],
  ['NOT_REGISTERED', 404],
  ['UNKNOWN_TASK', 404],
  ['DUPLICATE_TASK', 409],
  ['PAYLOAD_TOO_LARGE', 413],
  ['BROKER_UNAVAILABLE', 503],
  ['APP_CLOSED', 503],
]);

/** What is answered for an error; undefined for a failure of ours, which is not shown to callers. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (!isCeleriacError(error)) return undefined;
  const status = STATUSES.get(error.code);
  return status === undefined ? undefined : new Refusal(status, error.code, error.message);
}
