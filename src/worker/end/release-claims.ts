/**
 * What an ended task still holds in the broker beside its job: a task id of its caller's, a unique key, the entry that
 * leads into its lane, or the word that it leaves no result. Few tasks have any; the others are let through with a look
 * at their message.
 */

import type { Engine } from '../../broker/broker.js';
import { expireRelocation } from '../../coordination/relocations.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import { IGNORED_MS, noteIgnored } from '../../coordination/tombstones.js';
import { releaseKey } from '../../coordination/unique-keys.js';
import { isGenerated } from '../../protocol/ids.js';
import type { Delivery } from '../../queue/delivery.js';

/**
 * Says that a task leaves no result because it threw Ignore, and lets go of the rest: whoever waits for it finds its record
 * gone. Best effort: unsaid, it counts as unknown. Never rejects.
 */
export async function recordIgnored(
  parts: { readonly engine: Engine; readonly index: TaskIdIndex },
  delivery: Delivery,
): Promise<void> {
  const { ref, message } = delivery;
  // Where it was sent to, which is how others know it.
  const place = { queue: message.from ?? ref.queue, id: ref.id };
  // An id of the caller's own leads there for as long, and is free all the same.
  releaseClaims(parts, delivery, IGNORED_MS);
  // Ahead of the end: whoever hears of that looks for this.
  await noteIgnored(parts.engine, place).catch(() => undefined); // it reads as unknown then, which is not wrong
}

/**
 * Lets go of it once the end is written: nothing of this may stand between a body that has ended and the write of its
 * outcome. A crash in between leaves an id and a key whose task has ended, which count as free.
 * @param keptMs how long the job's record is kept
 */
export function releaseClaims(
  { engine, index }: { readonly engine: Engine; readonly index: TaskIdIndex },
  delivery: Delivery,
  keptMs: number,
): void {
  const { message, taskId, jobId } = delivery;
  const { unique, from } = message;
  if (unique !== undefined) delivery.afterwards(() => releaseKey(engine, unique, taskId));
  if (from !== undefined)
    delivery.afterwards(() => expireRelocation(engine, { queue: from, id: jobId }, keptMs));
  if (!isGenerated(jobId)) delivery.afterwards(() => index.expire(taskId, keptMs));
}
