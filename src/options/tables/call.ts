/**
 * The options of one call. A route may set those that do not belong to an individual call.
 */

import { OptionError } from '../../errors.js';
import { show } from '../../show.js';
import { type Acceptance, checkAcceptance } from '../acceptance.js';
import { checked, checkedByName, delay, duration, given, moment } from '../kinds.js';
import { option } from '../option.js';
import type { TransactionOption } from '../transaction.js';
import { PUBLISH_OPTIONS, RUN_OPTIONS_PER_CALL } from './task.js';

/** The part of a signature or workflow that options use. */
export interface CallbackSignature {
  readonly '~result': unknown;
  toJSON(): unknown;
}

type Callbacks = CallbackSignature | Iterable<CallbackSignature>;
type Headers = Readonly<Record<string, unknown>>;

/** The arguments are written before the route is known. */
const { serializer: SERIALIZER, ...ROUTED } = PUBLISH_OPTIONS;

/** Options that a route may set. */
export const ROUTE_OPTIONS = {
  ...ROUTED,
  countdown: option(delay, { doc: 'start this long after the call; negative means now' }),
  eta: option(moment, { doc: 'start at this moment; not together with `countdown`' }),
  ...RUN_OPTIONS_PER_CALL,
  shadow: option(checked<string, string>('text', shownName), {
    doc: "a name to show in logs instead of the task's",
  }),
  acceptance: option(checkedByName<Acceptance, Acceptance>('one of', checkAcceptance), {
    without: "the app's",
    doc: "`'written'` or `'replicated'`, over the app's",
  }),
};

/** What `signature` takes. */
export const CALL_OPTIONS = {
  ...ROUTE_OPTIONS,
  serializer: SERIALIZER,
  taskId: option(checked<string, string>('text', ownId), { doc: 'an id of your own' }),
  headers: option(checked<Headers, Headers>('object', bag), {
    doc: 'JSON data for middleware and `this.request.headers`',
  }),
  link: option(given<Callbacks>('signatures'), {
    doc: 'a signature, or several: called with the result',
  }),
  linkError: option(given<Callbacks>('signatures'), {
    doc: 'the same, called with `(request, error)` on failure',
  }),
};

/** What `applyAsync` and `sendTask` take: also what no signature can hold. */
export const SEND_OPTIONS = {
  ...CALL_OPTIONS,
  publishRetry: option(duration, {
    without: "the app's",
    doc: 'how long this call keeps trying to reach the broker, in all; of single tasks',
  }),
  transaction: option(given<TransactionOption>('transaction'), {
    doc: 'your own database transaction, to which the call then belongs: see the guide',
  }),
};

function shownName(shadow: unknown, where: string): string {
  if (typeof shadow === 'string') return shadow;
  throw new OptionError(`${where} must be a string, not ${show(shadow)}.`);
}

function ownId(taskId: unknown, where: string): string {
  if (typeof taskId === 'string' && taskId !== '') return taskId;
  throw new OptionError(`${where} must be a non-empty string, not ${show(taskId)}.`);
}

function bag(headers: unknown, where: string): Headers {
  if (isBag(headers)) return headers;
  throw new OptionError(`${where} must be an object of JSON data, not ${show(headers)}.`);
}

/** True for an object with properties; those of a Map or a list would not be sent. */
function isBag(value: unknown): value is Headers {
  try {
    return Object.prototype.toString.call(value) === '[object Object]';
  } catch {
    return false; // a revoked proxy
  }
}
