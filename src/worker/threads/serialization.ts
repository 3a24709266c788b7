/**
 * Outcomes and log lines on their way out of a thread. The thread makes every decision about an error, because only
 * it has the original. The worker receives the wire form, to be stored unchanged, and rebuilds an error of its class
 * for the log.
 */
import { Budget, boundedJson } from '../../protocol/bounded-json.js';
import {
  decodeFailure,
  type ErrorClasses,
  encodeFailure,
  type WireError,
} from '../../protocol/wire-error.js';
import type { Outcome } from '../run/outcome.js';
import type { CrossedOutcome, LogLine } from './messages.js';

/** Called in the thread. */
export function packOutcome(outcome: Outcome): CrossedOutcome {
  switch (outcome.kind) {
    case 'success':
      // As text: structured cloning ignores `toJSON`, and the broker stores JSON anyway.
      return {
        kind: 'success',
        json: JSON.stringify(outcome.encoded),
        ...(outcome.ends && { ends: true as const }),
      };
    case 'failure':
      return {
        kind: 'failure',
        error: outcome.wire ?? encodeFailure(outcome.error),
        ...(outcome.rejected && { rejected: true as const }),
      };
    case 'retry':
      return {
        kind: 'retry',
        error: outcome.wire ?? encodeFailure(outcome.error),
        delayMs: outcome.delayMs,
        ...(outcome.change !== undefined && { change: outcome.change }),
      };
    default:
      return outcome;
  }
}

/** Called in the worker. The value itself stays in the thread; the worker gets only what it writes. */
export function unpackOutcome(crossed: CrossedOutcome, classes: ErrorClasses): Outcome {
  switch (crossed.kind) {
    case 'success': {
      const encoded: unknown = crossed.json === undefined ? undefined : JSON.parse(crossed.json);
      return { kind: 'success', value: encoded, encoded, ...(crossed.ends && { ends: true as const }) };
    }
    case 'failure':
    case 'retry':
      return { ...crossed, error: decodeFailure(crossed.error, classes), wire: crossed.error };
    default:
      return crossed;
  }
}

const MAX_FIELD_BYTES = 16_384;

/** Called in the thread. The fields may hold anything: user code passes them. */
export function packLog(level: LogLine['level'], given: object, message: string): LogLine {
  const fields = new Map<string, unknown>();
  const errors = new Map<string, WireError>();
  const budget = new Budget(MAX_FIELD_BYTES);
  for (const [key, value] of Object.entries(given)) {
    if (value instanceof Error) errors.set(key, encodeFailure(value));
    else fields.set(key, boundedJson(value, budget));
  }
  return {
    level,
    message: String(message),
    fields: Object.fromEntries(fields),
    errors: Object.fromEntries(errors),
  };
}

/** Called in the worker: rebuilds the fields for its logger. */
export function unpackFields({ fields, errors }: LogLine, classes: ErrorClasses): object {
  const rebuilt = Object.entries(errors).map(([key, error]) => [key, decodeFailure(error, classes)]);
  return { ...fields, ...Object.fromEntries(rebuilt) };
}
