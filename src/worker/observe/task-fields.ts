/** The fields of every event of a task on a worker. */
import type { Delivery } from '../../queue/delivery.js';

/** Where and when something happens to a task. */
export interface TaskEventPlace {
  /** Epoch ms, by the broker's clock. */
  readonly timestamp: number;
  /** Name of the node. */
  readonly node: string;
}

export function taskFields(
  { taskId, name, queue, retries, message: { shadow, tags } }: Delivery,
  { timestamp, node }: TaskEventPlace,
) {
  return {
    timestamp,
    id: taskId,
    name,
    ...(shadow !== undefined && { shadow }),
    ...(tags !== undefined && { tags }),
    queue,
    node,
    pid: process.pid,
    retries,
  };
}
