/**
 * Waking up a task that waits for what was sent to it. The value is stored first, with a mark in the list of wake-ups in
 * the same atomic step if the task has begun to wait. Whoever finds the mark (the sender, the worker that has just parked
 * the task, any worker's wake-up watch) wakes the task and removes the mark:
 *
 *   at this moment the task                         then
 *   has not begun to wait                           it sees the value when it does: no mark
 *   is about to be parked                           its worker looks once more when the park is written
 *   is parked                                       its job is promoted, and the mark removed
 *   runs, and its worker dies before that look      the mark stays until a watch finds the task parked, or ended
 */
import { type Engine, type JobRef, REVOKED, type StoredJob } from '../broker/broker.js';
import { partOf } from '../protocol/ids.js';
import { isLane } from '../protocol/lanes.js';
import { readMessage } from '../protocol/message.js';
import { answerField } from '../protocol/steps.js';
import { type Park, parkIn } from '../protocol/waiting.js';

/** What waking needs of the engine. */
export type WakingEngine = Pick<Engine, 'readJobs' | 'steps' | 'backend' | 'flows'>;

/** What a job waits for now; undefined when it does not wait. */
export function parkOf(
  job: Pick<StoredJob, 'stack' | 'deliveries' | 'doneAt' | 'running'>,
): Park | undefined {
  if (job.doneAt !== undefined || job.running) return undefined;
  const park = parkIn(job.stack);
  return park !== undefined && job.deliveries <= park.starts ? park : undefined;
}

/**
 * Wakes up a task if it waits for a value that was sent, or was revoked before it was parked: a worker ends it then.
 * @param marked there may be a mark, which is removed where it is no longer needed
 * @returns whether the mark may still be needed: the task runs, and may be parked without a look
 */
export async function wakeIfAnswered(engine: WakingEngine, ref: JobRef, marked: boolean): Promise<boolean> {
  // Read before the job: a value that is sent after that has another mark, which stays.
  const mark = marked ? await engine.steps.mark(ref) : undefined;
  const [job] = await engine.readJobs([ref]);
  if (job !== undefined && job.doneAt === undefined && job.running) return true;
  const park = job === undefined ? undefined : parkOf(job);
  if (
    job !== undefined &&
    park !== undefined &&
    ((await isRevoked(engine, job)) || (await isAnswered(engine, ref, park)))
  ) {
    const backend = await engine.backend(ref.queue);
    // In a lane it is due now but stays delayed: the gate brings it to the front, before those that wait for their turn.
    const woken = isLane(ref.queue) ? backend.changeDelay(ref.id, 0) : backend.promote(ref.id);
    await woken.catch((error: unknown) => {
      // BullMQ's own answer: the job is no longer delayed, because it was woken or came due.
      if (!(error instanceof Error && 'code' in error && typeof error.code === 'number')) throw error;
    });
  }
  if (mark !== undefined) await engine.steps.settle(ref, mark);
  return false;
}

/** True if the task, or the workflow that it is a part of, was revoked while it ran. */
async function isRevoked(engine: WakingEngine, { id, data }: StoredJob): Promise<boolean> {
  if (readMessage(data).revoked !== undefined) return true;
  const part = partOf(id);
  if (part === undefined) return false;
  const [[revoked] = []] = await engine.flows.read([{ flow: part.flow, fields: [REVOKED] }]);
  return revoked !== undefined;
}

async function isAnswered(engine: WakingEngine, ref: JobRef, park: Park): Promise<boolean> {
  const waits = park.for.filter(({ kind }) => kind === 'wait');
  if (waits.length === 0) return false;
  const fields = await engine.steps.read(ref);
  return waits.some(({ name }) => fields.has(answerField(name)));
}
