/**
 * The claims of an ended task in the broker beside its job: a caller's own task id, a unique key, the entry of its
 * relocations, or the note that it leaves no result. Few tasks have any; for the others a look at the
 * message is all.
 */

import type { Engine } from '../../broker/broker.js';
import { expireRelocation, placesOf, sentTo } from '../../coordination/relocations.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import { IGNORED_MS, noteIgnored } from '../../coordination/tombstones.js';
import { releaseKey } from '../../coordination/unique-keys.js';
import { isGenerated } from '../../protocol/ids.js';
import type { Delivery } from '../../queue/delivery.js';

/**
 * Records that a task threw `Ignore` and releases its claims. Best effort: if the write is lost, the id reads as
 * unknown. Never rejects.
 */
export async function recordIgnored(
  parts: { readonly engine: Engine; readonly index: TaskIdIndex },
  delivery: Delivery,
): Promise<void> {
  const { ref, message } = delivery;
  const place = { queue: sentTo(message, ref.queue), id: ref.id };
  // A caller's own id leads to this note for as long; the id can be reused all the same.
  releaseClaims(parts, delivery, IGNORED_MS);
  // Write the note before the end of the task: readers look for it as soon as they are notified of the end.
  await noteIgnored(parts.engine, place).catch(() => undefined); // it reads as unknown then, which is not wrong
}

/**
 * Releases the claims after the end is written: nothing may come between the end of a body and the write of its
 * outcome. A crash in between leaves an id and a key whose task has ended; both count as free.
 * @param keptMs how long the job's record is kept
 */
export function releaseClaims(
  { engine, index }: { readonly engine: Engine; readonly index: TaskIdIndex },
  delivery: Delivery,
  keptMs: number,
): void {
  const { message, taskId, jobId } = delivery;
  const { unique } = message;
  if (unique !== undefined) delivery.afterwards(() => releaseKey(engine, unique, taskId));
  if (message.from !== undefined)
    for (const place of placesOf(message, jobId))
      delivery.afterwards(() => expireRelocation(engine, place, keptMs));
  if (!isGenerated(jobId)) delivery.afterwards(() => index.expire(taskId, keptMs));
}
