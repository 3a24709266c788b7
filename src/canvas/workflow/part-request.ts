/** The request of a failed part, as errbacks get it: plain JSON. */
import { partId } from '../../protocol/ids.js';
import { queueOfLane } from '../../protocol/lanes.js';
import { MESSAGE_VERSION, type Message } from '../../protocol/message.js';
import { compressed, isCompressed, MOST_INFLATED } from '../../tasks/compression.js';
import { plainArgs } from '../../tasks/serializer.js';
import { shownInstead } from '../../tasks/shown-arguments.js';
import { rootOf } from './part-message.js';
import { groupOf, idOf, nodeAt, type Plan } from './plan.js';

/** What is known about the part. */
export interface PartRequest {
  readonly taskId: string;
  readonly name: string;
  readonly message: Message;
  readonly queue: string;
  readonly priority: number;
  readonly retries: number;
  readonly deliveries: number;
  /** Epoch ms. */
  readonly sentAt: number;
}

export function requestOf(part: PartRequest): unknown {
  const request = plainRequest(part);
  // It holds the arguments: what was worth compressing there is here.
  if (!isCompressed(part.message.args)) return request;
  return compressed(JSON.stringify(request), { above: 1, format: 'gzip' }, MOST_INFLATED) ?? request;
}

function plainRequest(part: PartRequest): object {
  const { taskId, name, message, queue, priority, retries, deliveries, sentAt } = part;
  return {
    id: taskId,
    name,
    args: argsOf(message),
    rootId: message.root ?? taskId,
    ...(message.parent !== undefined && { parentId: message.parent }),
    ...(message.flow?.group !== undefined && { groupId: message.flow.group, groupIndex: message.flow.index }),
    retries,
    deliveries,
    headers: message.headers ?? {},
    ...(message.tags !== undefined && { tags: message.tags }),
    priority,
    queue,
    sentAt: new Date(sentAt).toISOString(),
  };
}

/** An errback is shown with its arguments, the request among them: so it gets what is shown of hidden ones. */
function argsOf(message: Message): readonly unknown[] {
  return shownInstead(message) ?? plainArgs(message.args) ?? [];
}

/** The request of a part without a job at hand, mostly one that was never sent. */
export function plannedRequest(flow: string, plan: Plan, path: string): unknown {
  const node = nodeAt(plan, path);
  if (node?.kind !== 'task') return null;
  const root = node.fields.root ?? rootOf(flow, plan, path);
  const group = groupOf(plan, path);
  return requestOf({
    taskId: idOf(flow, path, node),
    name: node.name,
    message: {
      ...node.fields,
      v: MESSAGE_VERSION,
      args: node.args,
      ...(root !== undefined && { root }),
      ...(group !== undefined && { flow: { group: partId(flow, group.path), index: group.index } }),
    },
    queue: queueOfLane(node.queue),
    priority: node.priority ?? 0,
    retries: 0,
    deliveries: 0,
    sentAt: plan.sentAt,
  });
}
