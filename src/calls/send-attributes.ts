/** The attributes of the span of a call. */
import { queueOfLane } from '../protocol/lanes.js';
import type { Envelope } from '../queue/producer.js';
import type { SpanAttributes } from '../queue/tracing.js';

export function sendAttributes({ taskId, name, queue }: Envelope): SpanAttributes {
  return {
    'messaging.system': 'celeriac',
    'messaging.operation.type': 'send',
    'messaging.destination.name': queueOfLane(queue),
    'messaging.message.id': taskId,
    'celeriac.task.name': name,
  };
}
