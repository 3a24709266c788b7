/** What a running call says of itself: `this.request`, and what is stored of the tasks that it has called. */
import type { TrailEntry } from '../../coordination/trail.js';
import { NO_TAGS } from '../../options/tags.js';
import type { Delivery } from '../../queue/delivery.js';
import { GroupResult } from '../../results/group-result.js';
import type { CalledTask, LinkedTask, TaskRequest } from '../../tasks/context.js';

const NO_LINKS: readonly LinkedTask[] = Object.freeze([]);

/** A running call, as its request shows it. */
export interface RequestedCall {
  readonly delivery: Delivery;
  /** Ms. */
  readonly limits: { readonly softMs: number | undefined; readonly hardMs: number | undefined };
  readonly eager: boolean;
  readonly children: readonly CalledTask[];
}

/** @param host its worker */
export function callRequest(
  call: RequestedCall,
  host: { readonly node: string; readonly stopping: boolean },
  args: readonly unknown[],
): TaskRequest {
  const { delivery, limits, eager } = call;
  const { message } = delivery;
  return {
    id: delivery.taskId,
    name: delivery.name,
    args,
    rootId: message.root ?? delivery.taskId,
    parentId: message.parent,
    groupId: message.flow?.group,
    groupIndex: message.flow?.index,
    retries: delivery.retries,
    deliveries: delivery.deliveries,
    headers: message.headers ?? {},
    tags: message.tags ?? NO_TAGS,
    shadow: message.shadow,
    ignoreResult: message.ignore === true,
    links: delivery.links ?? NO_LINKS,
    get children() {
      return call.children;
    },
    priority: delivery.priority,
    queue: delivery.queue,
    eta: dateOf(message.eta),
    expires: dateOf(message.expires),
    timeLimit: limits.hardMs,
    softTimeLimit: limits.softMs,
    sentAt: dateOf(delivery.sentAt),
    node: host.node,
    calledDirectly: false,
    isEager: eager,
    get shuttingDown() {
      return host.stopping;
    },
    batch: undefined,
  };
}

/** A called task as it is stored. */
export function trailEntry(called: CalledTask): TrailEntry {
  return called instanceof GroupResult ? { id: called.id, group: true } : { id: called.id };
}

function dateOf(at: number | undefined): Date | undefined {
  return at === undefined ? undefined : new Date(at);
}
