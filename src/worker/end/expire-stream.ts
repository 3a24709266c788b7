/**
 * A task's stream expires with its record. Only for tasks that have one; written after the end, so that nothing comes
 * between the end of a body and its outcome. If this write is lost, the stream expires a while after its last chunk.
 */
import type { Engine } from '../../broker/broker.js';
import type { Delivery } from '../../queue/delivery.js';

/** Without a record, a reader that is in the middle has this long to read the rest, ms. */
const REST_MS = 60_000;

/** @param keptMs how long the job's record is kept; 0: there will be none */
export function expireStream(engine: Engine, delivery: Delivery, keptMs: number): void {
  const { id } = delivery.ref;
  delivery.afterwards(async () => {
    // Nobody else tells readers of an end without a result.
    if (keptMs === 0) engine.signals.notify(id);
    await engine.streams.expire(id, Math.max(keptMs, REST_MS));
  });
}
