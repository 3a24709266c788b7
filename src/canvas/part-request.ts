/**
 * The request of a part that failed, as errbacks get it: plain JSON.
 */
import type { Message } from '../broker/message.js';

/** What is known of the part. */
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
  const { taskId, name, message, queue, priority, retries, deliveries, sentAt } = part;
  return {
    id: taskId,
    name,
    args: Array.isArray(message.args) ? message.args : [],
    rootId: message.root ?? taskId,
    ...(message.parent !== undefined && { parentId: message.parent }),
    ...(message.flow?.group !== undefined && { groupId: message.flow.group, groupIndex: message.flow.index }),
    retries,
    deliveries,
    headers: message.headers ?? {},
    priority,
    queue,
    sentAt: new Date(sentAt).toISOString(),
  };
}
