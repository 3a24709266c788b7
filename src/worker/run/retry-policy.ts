/**
 * Whether and when a failed attempt is tried again: one rule for `this.retry()` and `autoretryFor`. Pure.
 */
import { toEpochMs, toMs, toPositiveMs } from '../../duration.js';
import { MaxRetriesExceededError, OptionError } from '../../errors.js';
import { argumentsOf } from '../../options/call-options.js';
import { toMaxRetries } from '../../options/checks.js';
import { checkNames, checkOptions } from '../../options/names.js';
import { RETRY_CHANGES, type RetryChanges, retryChanges } from '../../options/retry-change.js';
import type { RunPolicy } from '../../options/task-options.js';
import type { RetryOptions } from '../../tasks/context.js';
import type { Outcome } from './outcome.js';

/** What `this.retry()` throws to leave the task; only the executor catches it. */
export class RetryRequest extends Error {
  constructor(
    readonly options: RetryOptions,
    /** What it changes about the task, besides the arguments. */
    readonly changes?: RetryChanges,
  ) {
    super('this.retry() was called; let this error pass, the worker handles it');
    this.name = 'RetryRequest';
  }
}

/**
 * Validates the options of `this.retry()` where it is called.
 * @throws {OptionError} for an invalid option
 */
export function retryRequest(options: RetryOptions): RetryRequest {
  try {
    return new RetryRequest(options, checkRetry(options));
  } catch (wrong) {
    // Keep the task's own error as the cause: it must not be lost over a wrong option.
    throw wrong instanceof OptionError ? withCause(wrong, options) : wrong;
  }
}

const WHERE = 'this.retry()';

const NAMES = ['countdown', 'eta', 'error', 'maxRetries', 'args', ...RETRY_CHANGES];

function checkRetry(options: RetryOptions): RetryChanges | undefined {
  if ((options as unknown) instanceof Error)
    throw new OptionError(`${WHERE}: give the error as an option: this.retry({ error }).`);
  checkOptions(options, WHERE);
  if ((options as { readonly exc?: unknown }).exc !== undefined)
    throw new OptionError(`${WHERE}: unknown option "exc". Its name here is "error".`);
  checkNames(options, NAMES, WHERE, ['error', 'maxRetries', 'softTimeLimit', 'timeLimit']);
  const { countdown, eta, maxRetries, args } = options;
  if (countdown !== undefined && eta !== undefined)
    throw new OptionError(`${WHERE}: give countdown or eta, not both.`);
  if (countdown !== undefined) toMs(countdown, `${WHERE}: countdown`);
  if (eta !== undefined) toEpochMs(eta, `${WHERE}: eta`);
  if (maxRetries !== undefined) toMaxRetries(maxRetries, `${WHERE}: maxRetries`);
  if (args !== undefined) argumentsOf(args, WHERE);
  return retryChanges(options, WHERE);
}

/** An invalid-option error whose cause is the task's own error. */
function withCause(wrong: OptionError, options: unknown): OptionError {
  if (options instanceof Error) return new OptionError(wrong.message, { cause: options });
  const { error, exc } = (options ?? {}) as { readonly error?: unknown; readonly exc?: unknown };
  const cause = error ?? exc;
  return cause === undefined ? wrong : new OptionError(wrong.message, { cause });
}

/** The inputs of a retry decision. */
export interface RetryCase {
  readonly taskName: string;
  readonly policy: RunPolicy;
  /** Retries so far. */
  readonly retries: number;
  /** The call's own limit, if any. */
  readonly maxRetries: number | undefined;
  /** Epoch ms. */
  readonly now: number;
  /** Time zone of moments that name none. */
  readonly timezone: string;
  /** 0 (inclusive) to 1 (exclusive); jitter. */
  readonly random: () => number;
}

/** The outcome of an attempt that called `this.retry()`. */
export function afterRetryRequest(request: RetryRequest, c: RetryCase): Outcome {
  const { options } = request;
  const limit =
    options.maxRetries === undefined ? limitOf(c) : (options.maxRetries ?? Number.POSITIVE_INFINITY);
  const hasCause = options.error !== undefined;
  if (c.retries >= limit) {
    const exhausted = new MaxRetriesExceededError(
      `${c.taskName} asked for a retry without giving a cause, after ${c.retries} of at most ${limit} retries.`,
    );
    return { kind: 'failure', error: hasCause ? options.error : exhausted };
  }
  const cause = hasCause ? options.error : new Error(`${c.taskName} asked to be run again`);
  const wantedMs = requestedDelayMs(options, c) ?? delayMs(cause, c);
  return { kind: 'retry', error: cause, delayMs: Math.min(wantedMs, LONGEST_MS) };
}

/** The outcome of an attempt that threw: a retry where `autoretryFor` says so and retries are left. */
export function afterError(error: unknown, c: RetryCase): Outcome {
  if (c.retries >= limitOf(c) || !c.policy.autoretryFor(error)) return { kind: 'failure', error };
  return { kind: 'retry', error, delayMs: Math.min(delayMs(error, c), LONGEST_MS) };
}

/**
 * The outcome of an attempt whose retry rule (`autoretryFor`, `retryDelay`) threw or gave no duration: the task fails
 * with its own error, which came first. Without one it fails with the rule's error.
 */
export function afterBrokenRule(error: unknown, ruleError: unknown): Outcome {
  const own = error instanceof RetryRequest ? error.options.error : error;
  return { kind: 'failure', error: own ?? ruleError };
}

/** A century: anything longer means never, and no broker counts that far. */
const LONGEST_MS = 100 * 365.25 * 24 * 3_600_000;

/** How long to wait before retry number `retries + 1`: own rule, else backoff, else the fixed delay. */
export function delayMs(error: unknown, c: RetryCase): number {
  const { policy, retries } = c;
  if (policy.retryDelay !== undefined) {
    return toPositiveMs(policy.retryDelay(error, retries), `task "${c.taskName}": retryDelay()`);
  }
  if (policy.retryBackoffMs === undefined) return policy.defaultRetryDelayMs;
  return backoffMs(
    policy.retryBackoffMs,
    retries,
    policy.retryBackoffMaxMs,
    policy.retryJitter ? c.random() : 1,
  );
}

/**
 * Exponential backoff with a cap, then full jitter (Celery: `get_exponential_backoff_interval`).
 * @param share the fraction of the delay to take, 0 to 1
 */
export function backoffMs(startMs: number, retries: number, maxMs: number, share: number): number {
  return Math.round(Math.min(startMs * 2 ** Math.min(retries, 1000), maxMs) * share);
}

function limitOf(c: RetryCase): number {
  return c.maxRetries ?? c.policy.maxRetries;
}

function requestedDelayMs(options: RetryOptions, c: RetryCase): number | undefined {
  if (options.eta !== undefined)
    return Math.max(0, toEpochMs(options.eta, `${WHERE}: eta`, c.timezone) - c.now);
  if (options.countdown !== undefined) return Math.max(0, toMs(options.countdown, `${WHERE}: countdown`));
  return undefined;
}
