/**
 * What an ended task still holds in the broker beside its job: a task id of its caller's, a unique key, the entry that
 * leads into its lane, or the word that it leaves no result. Few tasks have any; the others are let through with a look
 * at their message.
 */
import type { Delivery } from '../broker/consumer.js';
import type { Engine } from '../broker/engine.js';
import type { IdIndex } from '../broker/id-index.js';
import { isGenerated } from '../broker/ids.js';
import { expireMove } from '../broker/moves.js';
import { noteIgnored } from '../broker/tombstones.js';
import { releaseKey } from '../broker/unique-keys.js';

/**
 * Says that a task leaves no result because it threw Ignore: whoever waits for it finds its record gone. Best effort:
 * unsaid, it counts as unknown.
 */
export async function sayIgnored(
  { engine }: { readonly engine: Engine },
  { ref, message }: Delivery,
): Promise<void> {
  // Where it was sent to, which is how others know it.
  const place = { queue: message.from ?? ref.queue, id: ref.id };
  await noteIgnored(engine, place).catch(() => undefined);
}

/**
 * Lets go of it: names with the record they lead to, a key once the end is written. A crash in between leaves a key
 * whose task has ended, which counts as free.
 * @param keptMs how long the job's record is kept
 */
export function letGo(
  { engine, index }: { readonly engine: Engine; readonly index: IdIndex },
  { message, taskId, jobId, afterwards }: Delivery,
  keptMs: number,
): Promise<void> | undefined {
  const { unique, from } = message;
  if (unique !== undefined) afterwards(() => releaseKey(engine, unique, taskId));
  if (from !== undefined) afterwards(() => expireMove(engine, { queue: from, id: jobId }, keptMs));
  return isGenerated(jobId) ? undefined : index.expire(taskId, keptMs);
}
