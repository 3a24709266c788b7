/** The base class of all errors of ours, and the brand by which each copy of this package knows them. */

/** The closed list of codes; each is documented in `docs/reference/errors.md`. */
export type CeleriacErrorCode =
  | 'OPTION'
  | 'ALREADY_REGISTERED'
  | 'NOT_REGISTERED'
  | 'INVALID_ARGUMENTS'
  | 'NOT_SERIALIZABLE'
  | 'PAYLOAD_TOO_LARGE'
  | 'DUPLICATE_TASK'
  | 'BROKER'
  | 'BROKER_UNAVAILABLE'
  | 'BROKER_IN_USE'
  | 'APP_CLOSED'
  | 'UNKNOWN_TASK'
  | 'RESULT_TIMEOUT'
  | 'STREAM_RESTARTED'
  | 'STREAM_TRUNCATED'
  | 'TASK_FAILED'
  | 'TASK_REVOKED'
  | 'CHORD'
  | 'MAX_RETRIES'
  | 'SOFT_TIME_LIMIT'
  | 'TIME_LIMIT'
  | 'WORKER_LOST'
  | 'STEP'
  | 'WAIT_TIMEOUT'
  | 'IGNORE'
  | 'REJECT'
  | 'BATCH'
  | 'USAGE';

/** The base class of all errors that celeriac throws on purpose. */
export class CeleriacError extends Error {
  /** The documented code of this error. */
  readonly code: CeleriacErrorCode;

  constructor(message: string, options: { code?: CeleriacErrorCode; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code ?? 'USAGE';
  }
}

named(CeleriacError, 'CeleriacError');

/** Brands our errors across copies of this package, since other errors may have our codes and names. */
const BRAND = Symbol.for('celeriac.error');
Object.defineProperty(CeleriacError.prototype, BRAND, { value: true });

/** Whether `error` is celeriac's (of this copy of the package or another) and, if `code` is given, has that code. */
export function isCeleriacError(error: unknown, code?: CeleriacErrorCode): error is CeleriacError {
  if (typeof error !== 'object' || error === null) return false;
  try {
    if (Reflect.get(error, BRAND) !== true) return false;
    return code === undefined || Reflect.get(error, 'code') === code;
  } catch {
    // A revoked proxy or a throwing getter: not an error of ours.
    return false;
  }
}

/** Fixes the class name, even if the class is minified or comes from another copy of this package. */
export function named<C extends { prototype: Error }>(cls: C, name: string): C {
  Object.defineProperty(cls.prototype, 'name', { value: name, configurable: true, writable: true });
  return cls;
}
