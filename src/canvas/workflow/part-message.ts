/** Builds the envelope of a part of a plan when the part's turn comes. */

import { partId } from '../../protocol/ids.js';
import { type FlowInput, type Message, writeMessage } from '../../protocol/message.js';
import type { Envelope } from '../../queue/producer.js';
import { isPlainText } from '../../text-escape.js';
import { ancestors, firstOf, type GroupPlace, idOf, jobIdOf, nodeAt, type Plan, type Start } from './plan.js';

type TaskStart = Extract<Start, { kind: 'task' }>;

/** What a part begins with. */
export interface Beginning {
  readonly input: FlowInput | undefined;
  /** The task before it. */
  readonly parentId: string | undefined;
  /** Epoch ms, broker's clock. */
  readonly now: number;
}

export function envelopeOf(
  flow: string,
  plan: Plan,
  start: TaskStart,
  { input, parentId, now }: Beginning,
): Envelope {
  const { leaf, path, group } = start;
  const jobId = jobIdOf(flow, path, leaf);
  const dueAt = leaf.etaAt ?? now + (leaf.delayMs ?? 0);
  const expires = leaf.expiresAt ?? (leaf.expiresInMs === undefined ? undefined : now + leaf.expiresInMs);
  const root = leaf.fields.root ?? rootOf(flow, plan, path);
  return {
    taskId: leaf.id ?? jobId,
    jobId,
    queue: leaf.queue,
    name: leaf.name,
    data: writeMessage(JSON.stringify(leaf.args), {
      ...leaf.fields,
      ...(root !== undefined && { root }),
      ...(parentId !== undefined && { parent: parentId }),
      ...(dueAt > now && { eta: dueAt }),
      ...(expires !== undefined && { expires }),
      ...(leaf.id !== undefined && isPlainText(leaf.id) && { id: leaf.id }),
      flow: group === undefined ? groupReplaced(plan, path) : placeIn(flow, group),
      ...(input !== undefined && leaf.immutable !== true && { input }),
    }),
    sentAt: now,
    delayMs: Math.max(0, Math.ceil(dueAt - now)),
    priority: leaf.priority ?? 0,
    ...(leaf.trace !== undefined && { trace: leaf.trace }),
  };
}

function placeIn(flow: string, { path, index }: GroupPlace): NonNullable<Message['flow']> {
  return { group: partId(flow, path), index };
}

/** A replacement belongs to the replaced task's group; its callbacks do not. */
function groupReplaced(plan: Plan, path: string): NonNullable<Message['flow']> {
  return (carrierOf(path) === path ? plan.replaces?.group : undefined) ?? {};
}

/** The task that began the workflow or callback of this part; undefined for that task itself. */
export function rootOf(flow: string, plan: Plan, path: string): string | undefined {
  const carrier = carrierOf(path);
  const around = ancestors(carrier).reverse();
  for (const at of around) {
    const node = nodeAt(plan, at);
    if (node?.kind !== 'chain') continue;
    const step = Number.parseInt(carrier.slice(at.length + 1), 10);
    const [first] = node.steps;
    const began = step > 0 && first !== undefined ? firstOf(first, `${at}.0`) : undefined;
    if (began !== undefined) return idOf(flow, began, nodeAt(plan, began));
  }
  if (carrier === path) return undefined;
  const node = nodeAt(plan, carrier);
  const began = node === undefined ? undefined : firstOf(node, carrier);
  return began === undefined ? undefined : idOf(flow, began, nodeAt(plan, began));
}

/** The part whose link or errback this belongs to; the path itself outside callbacks. */
function carrierOf(path: string): string {
  const callback = /\.[le]\d/.exec(path);
  return callback === null ? path : path.slice(0, callback.index);
}
