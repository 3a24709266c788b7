/**
 * Every error class of celeriac, on one page.
 *
 *   CeleriacError (code)
 *   ├─ OptionError                 OPTION            an invalid option, flag or URL
 *   ├─ AlreadyRegisteredError      ALREADY_REGISTERED one task name, two pieces of code
 *   ├─ NotRegisteredError          NOT_REGISTERED    no task of that name is registered here
 *   ├─ InvalidArgumentsError       INVALID_ARGUMENTS arguments do not fit the task's declaration
 *   ├─ NotSerializableError        NOT_SERIALIZABLE  a value the serializer would change or drop
 *   ├─ PayloadTooLargeError        PAYLOAD_TOO_LARGE over `maxPayloadBytes`
 *   ├─ DuplicateTaskError          DUPLICATE_TASK    the task id (or unique key) is taken
 *   ├─ BrokerError                 BROKER            the broker refused something
 *   │  ├─ BrokerUnavailableError   BROKER_UNAVAILABLE the broker cannot be reached, or cannot act just now
 *   │  └─ BrokerInUseError         BROKER_IN_USE     an embedded folder is open in another process
 *   ├─ AppClosedError              APP_CLOSED        used after `app.close()`
 *   ├─ UnknownTaskError            UNKNOWN_TASK      the id is unknown, or its record expired
 *   ├─ ResultTimeoutError          RESULT_TIMEOUT    `get({ timeout })` ran out; the task continues
 *   ├─ StreamRestartedError        STREAM_RESTARTED  a new attempt began while its chunks were read
 *   ├─ StreamTruncatedError        STREAM_TRUNCATED  the chunks asked for are no longer kept
 *   ├─ TaskError                   (a task did not succeed; carries taskId and taskName)
 *   │  ├─ TaskFailedError          TASK_FAILED       it ended in FAILURE; `cause` is the original
 *   │  └─ TaskRevokedError         TASK_REVOKED      it was revoked, expired or purged
 *   ├─ ChordError                  CHORD             a member of a chord's header failed
 *   ├─ MaxRetriesExceededError     MAX_RETRIES       `retry()` without a cause, once too often
 *   ├─ SoftTimeLimitExceeded       SOFT_TIME_LIMIT
 *   ├─ TimeLimitExceeded           TIME_LIMIT
 *   ├─ WorkerLostError             WORKER_LOST       the worker that ran it died
 *   ├─ StepError                   STEP              a step, sleep or wait that cannot be
 *   ├─ WaitTimeoutError            WAIT_TIMEOUT      nothing was sent to a `waitFor` in time
 *   ├─ Ignore                      IGNORE            thrown by a task: end without a stored state
 *   ├─ Reject                      REJECT            thrown by a task: fail without a retry
 *   └─ BatchError                  BATCH             thrown by the code of a batch: some of its calls failed
 *
 * Recognise them by `isCeleriacError(error, code)`. It checks a brand, so it accepts the errors of another copy of this
 * package, and never an error of other code, whatever its code or name.
 */

import { CeleriacError, type CeleriacErrorCode, named } from './errors/base.js';

export { CeleriacError, type CeleriacErrorCode, isCeleriacError } from './errors/base.js';
export { Ignore, Reject } from './errors/leaving.js';

type Details = { cause?: unknown };

/** An option, flag, URL or duration is invalid. Thrown where it is given, before anything happens. */
export class OptionError extends CeleriacError {
  constructor(message: string, details: Details = {}) {
    super(message, { code: 'OPTION', ...details });
  }
}
named(OptionError, 'OptionError');

/** One task name was given to two different pieces of code. */
export class AlreadyRegisteredError extends CeleriacError {
  constructor(message: string) {
    super(message, { code: 'ALREADY_REGISTERED' });
  }
}
named(AlreadyRegisteredError, 'AlreadyRegisteredError');

/** No task of that name is registered here. */
export class NotRegisteredError extends CeleriacError {
  constructor(message: string) {
    super(message, { code: 'NOT_REGISTERED' });
  }
}
named(NotRegisteredError, 'NotRegisteredError');

/** One invalid argument: its path (`0.email`) and what is wrong. */
export interface Violation {
  readonly path: string;
  readonly message: string;
}

/** The arguments of a call do not fit what the task declares. Nothing was enqueued. */
export class InvalidArgumentsError extends CeleriacError {
  readonly violations: readonly Violation[];

  constructor(message: string, violations: readonly Violation[] = [], details: Details = {}) {
    super(message, { code: 'INVALID_ARGUMENTS', ...details });
    this.violations = violations;
  }
}
named(InvalidArgumentsError, 'InvalidArgumentsError');

/** The serializer would change or drop a value. */
export class NotSerializableError extends CeleriacError {
  readonly path: string;

  constructor(message: string, path = '', details: Details = {}) {
    super(message, { code: 'NOT_SERIALIZABLE', ...details });
    this.path = path;
  }
}
named(NotSerializableError, 'NotSerializableError');

/** The encoded arguments or result are larger than `maxPayloadBytes`. */
export class PayloadTooLargeError extends CeleriacError {
  constructor(message: string) {
    super(message, { code: 'PAYLOAD_TOO_LARGE' });
  }
}
named(PayloadTooLargeError, 'PayloadTooLargeError');

/** The task id, or the `unique` key, is already taken. */
export class DuplicateTaskError extends CeleriacError {
  readonly taskId: string;

  constructor(message: string, taskId: string) {
    super(message, { code: 'DUPLICATE_TASK' });
    this.taskId = taskId;
  }
}
named(DuplicateTaskError, 'DuplicateTaskError');

/** The broker answered and refused. */
export class BrokerError extends CeleriacError {
  constructor(message: string, details: Details & { code?: CeleriacErrorCode } = {}) {
    super(message, { code: 'BROKER', ...details });
  }
}
named(BrokerError, 'BrokerError');

/**
 * The broker cannot be reached, or cannot act just now. For a call, `taskId` is the task's id; calling again with this
 * `taskId` is safe.
 */
export class BrokerUnavailableError extends BrokerError {
  readonly address: string;
  readonly taskId: string | undefined;

  constructor(message: string, details: Details & { address: string; taskId?: string | undefined }) {
    super(message, { code: 'BROKER_UNAVAILABLE', ...('cause' in details ? { cause: details.cause } : {}) });
    this.address = details.address;
    this.taskId = details.taskId;
  }
}
named(BrokerUnavailableError, 'BrokerUnavailableError');

/** Our error inside the one that BullMQ gets for an outage, for logs; any other error as it is. */
export function outageIn(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof BrokerUnavailableError ? error.cause : error;
}

/** An embedded broker's folder is open in another process. */
export class BrokerInUseError extends BrokerError {
  constructor(message: string, details: Details = {}) {
    super(message, { code: 'BROKER_IN_USE', ...details });
  }
}
named(BrokerInUseError, 'BrokerInUseError');

/** The app was closed. */
export class AppClosedError extends CeleriacError {
  constructor(message = 'The app was closed with app.close(); make a new Celeriac to go on.') {
    super(message, { code: 'APP_CLOSED' });
  }
}
named(AppClosedError, 'AppClosedError');

/** No task of this id was sent (or its transaction is not committed), or its record has expired or was forgotten. */
export class UnknownTaskError extends CeleriacError {
  readonly taskId: string;

  constructor(taskId: string) {
    super(
      `No task "${taskId}" is known: it was never sent to this broker and prefix, was sent in a transaction that may not ` +
        'be committed yet, or its record has expired (see resultExpires and failureExpires) or was forgotten.',
      { code: 'UNKNOWN_TASK' },
    );
    this.taskId = taskId;
  }
}
named(UnknownTaskError, 'UnknownTaskError');

/** `get({ timeout })` ran out. The task continues. */
export class ResultTimeoutError extends CeleriacError {
  readonly taskId: string;
  readonly timeoutMs: number;

  constructor(taskId: string, timeoutMs: number) {
    super(
      `Task "${taskId}" did not end within ${timeoutMs} ms. It goes on; call get() again to wait longer.`,
      { code: 'RESULT_TIMEOUT' },
    );
    this.taskId = taskId;
    this.timeoutMs = timeoutMs;
  }
}
named(ResultTimeoutError, 'ResultTimeoutError');

/** A new attempt of the task began while a reader was in the middle of its chunks: it yields from its start again. */
export class StreamRestartedError extends CeleriacError {
  readonly taskId: string;
  /** The attempt that began: 0 is the first. */
  readonly attempt: number;

  constructor(taskId: string, attempt: number) {
    super(
      `Task "${taskId}" began again (attempt ${attempt}), and its stream with it. Call stream() again for the chunks of ` +
        "the new attempt, or pass { restarts: 'follow' } to get them in one loop.",
      { code: 'STREAM_RESTARTED' },
    );
    this.taskId = taskId;
    this.attempt = attempt;
  }
}
named(StreamRestartedError, 'StreamRestartedError');

/** Chunks that a reader asked for are no longer kept: see `streamMaxChunks` and `streamMaxBytes`. */
export class StreamTruncatedError extends CeleriacError {
  readonly taskId: string;
  /** The index of the oldest chunk that is kept. */
  readonly firstIndex: number;

  constructor(taskId: string, index: number, firstIndex: number) {
    super(
      `Chunk ${index} of task "${taskId}" is no longer kept; the oldest one is ${firstIndex}. Pass { from: 'oldest' } or ` +
        '{ from: error.firstIndex } to read what there is, or raise streamMaxChunks and streamMaxBytes.',
      { code: 'STREAM_TRUNCATED' },
    );
    this.taskId = taskId;
    this.firstIndex = firstIndex;
  }
}
named(StreamTruncatedError, 'StreamTruncatedError');

/** The base class of what `get()` throws for a task that did not succeed. */
export class TaskError extends CeleriacError {
  readonly taskId: string;
  readonly taskName: string | undefined;

  constructor(
    message: string,
    details: Details & { code: CeleriacErrorCode; taskId: string; taskName?: string | undefined },
  ) {
    super(message, { code: details.code, ...('cause' in details ? { cause: details.cause } : {}) });
    this.taskId = details.taskId;
    this.taskName = details.taskName;
  }
}
named(TaskError, 'TaskError');

/** The task ended in FAILURE. `cause` is the original error, of its own class if that is known here. */
export class TaskFailedError extends TaskError {
  /** The original error's own `name`, or its class name where the own name is only "Error". */
  readonly errorName: string;
  /** The stack in the worker. */
  readonly remoteStack: string | undefined;

  constructor(details: {
    taskId: string;
    taskName?: string | undefined;
    errorName: string;
    message: string;
    remoteStack?: string | undefined;
    cause: unknown;
  }) {
    const label = details.taskName === undefined ? 'Task' : `Task ${details.taskName}`;
    super(`${label} (${details.taskId}) failed: ${details.errorName}: ${details.message}`, {
      code: 'TASK_FAILED',
      taskId: details.taskId,
      taskName: details.taskName,
      cause: details.cause,
    });
    this.errorName = details.errorName;
    this.remoteStack = details.remoteStack;
  }
}
named(TaskFailedError, 'TaskFailedError');

/** The task was revoked, expired before it started, or was purged. */
export class TaskRevokedError extends TaskError {
  readonly reason: string | undefined;

  constructor(details: { taskId: string; taskName?: string | undefined; reason?: string | undefined }) {
    const label = details.taskName === undefined ? 'Task' : `Task ${details.taskName}`;
    super(`${label} (${details.taskId}) was revoked${details.reason ? `: ${details.reason}` : ''}.`, {
      code: 'TASK_REVOKED',
      taskId: details.taskId,
      taskName: details.taskName,
    });
    this.reason = details.reason;
  }
}
named(TaskRevokedError, 'TaskRevokedError');

/** A member of a chord's header failed; `cause` is its error. */
export class ChordError extends CeleriacError {
  constructor(message: string, details: Details = {}) {
    super(message, { code: 'CHORD', ...details });
  }
}
named(ChordError, 'ChordError');

/** `this.retry()` was called without an `error` more often than `maxRetries` allows. */
export class MaxRetriesExceededError extends CeleriacError {
  constructor(message: string, details: Details = {}) {
    super(message, { code: 'MAX_RETRIES', ...details });
  }
}
named(MaxRetriesExceededError, 'MaxRetriesExceededError');

/** The abort reason of `this.signal` when the soft time limit passes. The task may catch it and return. */
export class SoftTimeLimitExceeded extends CeleriacError {
  constructor(message: string) {
    super(message, { code: 'SOFT_TIME_LIMIT' });
  }
}
named(SoftTimeLimitExceeded, 'SoftTimeLimitExceeded');

/** The hard time limit passed; the task is in FAILURE. */
export class TimeLimitExceeded extends CeleriacError {
  constructor(message: string) {
    super(message, { code: 'TIME_LIMIT' });
  }
}
named(TimeLimitExceeded, 'TimeLimitExceeded');

/** The worker that ran the task died (or lost its lock) as often as the task's delivery options allow. */
export class WorkerLostError extends CeleriacError {
  constructor(message: string) {
    super(message, { code: 'WORKER_LOST' });
  }
}
named(WorkerLostError, 'WorkerLostError');

/** A step, sleep or wait that cannot be: its name was used before in this attempt, or it is called where none can be. */
export class StepError extends CeleriacError {
  readonly step: string;

  constructor(message: string, step: string) {
    super(message, { code: 'STEP' });
    this.step = step;
  }
}
named(StepError, 'StepError');

/** Nothing was sent to a `waitFor` within its timeout. The task may catch it; the wait stays timed out. */
export class WaitTimeoutError extends CeleriacError {
  readonly step: string;

  constructor(message: string, step: string) {
    super(message, { code: 'WAIT_TIMEOUT' });
    this.step = step;
  }
}
named(WaitTimeoutError, 'WaitTimeoutError');

/**
 * Thrown by the code of a batch: the calls whose positions it names fail with the error given for each, or are retried
 * as if they had thrown it. The others succeed with `undefined`.
 * @example throw new BatchError(new Map([[3, new Error('no such customer')]]))
 */
export class BatchError extends CeleriacError {
  /** What each failed call fails with, by its position in the list, from 0. */
  readonly errors: ReadonlyMap<number, unknown>;

  /** @throws {OptionError} for anything but a map of positions */
  constructor(errors: ReadonlyMap<number, unknown>, message?: string) {
    super(message ?? `${errors instanceof Map ? errors.size : 'Some'} calls of a batch failed.`, {
      code: 'BATCH',
    });
    this.errors = checkedPositions(errors);
  }
}
named(BatchError, 'BatchError');

function checkedPositions(errors: unknown): ReadonlyMap<number, unknown> {
  if (!(errors instanceof Map))
    throw new OptionError('new BatchError(errors): errors must be a Map of positions in the list to errors.');
  for (const position of errors.keys())
    if (!Number.isInteger(position) || position < 0)
      throw new OptionError(
        `new BatchError(errors): ${String(position)} is no position in the list: whole numbers from 0 are.`,
      );
  return new Map(errors);
}
