/**
 * The fields of a message besides its arguments, as far as the call and its surroundings decide them: headers, place
 * in the tree of tasks, expiry, limits. Pure, except that calls made inside a running task inherit from that task.
 */

import type { ResolvedCall } from '../options/call-options.js';
import { toExpiry } from '../options/checks.js';
import { allTags } from '../options/tags.js';
import type { Message } from '../protocol/message.js';
import { currentScope, currentTask, propagatedHeaders } from '../tasks/context.js';
import { checkJson } from '../tasks/json-check.js';
import type { CallTarget } from '../tasks/registry.js';

/** A message without its version and arguments. */
export type MessageFields = Omit<Message, 'v' | 'args'>;

/** The parts of an outgoing call that are read here. */
export interface Addressed {
  readonly target: CallTarget;
  /** The call's own headers, and those that middleware added. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** Names of the headers that calls made inside inherit. */
  readonly propagated: readonly string[];
}

/**
 * The fields of the message besides the arguments; unused ones are absent.
 * @param timezone time zone of moments that name none
 */
export function messageFields(
  outgoing: Addressed,
  call: ResolvedCall,
  now: number,
  timezone: string,
): MessageFields {
  const tags = allTags(outgoing.target.publish.tags, call.tags, currentTask()?.request.tags);
  const expires = call.expiresAt ?? expiryOf(outgoing.target, now, timezone);
  return {
    ...inherit(outgoing.headers, outgoing.propagated),
    ...(tags.length > 0 && { tags }),
    ...(expires !== undefined && { expires }),
    ...(call.etaAt !== undefined && { eta: call.etaAt }),
    ...(call.softTimeLimitMs !== undefined && { soft: call.softTimeLimitMs }),
    ...(call.timeLimitMs !== undefined && { hard: call.timeLimitMs }),
    ...(call.maxRetries !== undefined && {
      retries: Number.isFinite(call.maxRetries) ? call.maxRetries : null,
    }),
    ...(call.shadow !== undefined && { shadow: call.shadow }),
  };
}

function expiryOf(target: CallTarget, now: number, timezone: string): number | undefined {
  const { expires } = target.publish;
  return expires === undefined
    ? undefined
    : toExpiry(expires, now, `task "${target.name}": expires`, timezone);
}

/** What a call made inside a task inherits from it: its place in the tree, and propagating headers. */
function inherit(
  own: Readonly<Record<string, unknown>>,
  propagated: readonly string[],
): Pick<Message, 'headers' | 'propagate' | 'root' | 'parent'> {
  // The common case: outside any task, without headers.
  if (own === NO_HEADERS && propagated.length === 0 && currentScope() === undefined) return NOTHING;
  const request = currentTask()?.request;
  const passing = new Set(propagated);
  const headers = new Map(Object.entries(own));
  for (const name of propagatedHeaders()) {
    passing.add(name);
    if (request !== undefined && !headers.has(name) && Object.hasOwn(request.headers, name))
      headers.set(name, request.headers[name]);
  }
  return {
    // A batch runs on behalf of many calls, so what it calls is a tree of its own.
    ...(request !== undefined && request.batch === undefined && { root: request.rootId, parent: request.id }),
    ...(headers.size > 0 && { headers: checkedHeaders(Object.fromEntries(headers)) }),
    ...(passing.size > 0 && { propagate: [...passing] }),
  };
}

/** The headers of a call that has none. */
export const NO_HEADERS: Readonly<Record<string, unknown>> = Object.freeze({});
const NOTHING = Object.freeze({});

/** @throws {NotSerializableError} for values that JSON would change */
function checkedHeaders(headers: Record<string, unknown>): Record<string, unknown> {
  return checkJson(headers, 'headers').value as Record<string, unknown>;
}
