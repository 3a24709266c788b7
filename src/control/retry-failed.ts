/**
 * Operations on one failed task: running it again under its id, and dropping its record.
 *
 *   a retry, step by step                       a crash after it
 *   1 its unique key is claimed, if it has one  a key whose task has ended counts as free
 *   2 its names are kept for good again         they outlive its record
 *   3 its stream is removed, its message and     it still reads FAILURE
 *     counts are as new
 *   4 it waits again, in BullMQ's one step      nothing left to do
 */

import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import type { UniqueCalls } from '../calls/unique.js';
import { expireRelocation, keepRelocation, placesOf } from '../coordination/relocations.js';
import type { TaskIdIndex } from '../coordination/task-id-index.js';
import type { TaskRecord } from '../coordination/task-record.js';
import { isGenerated, taskIdOfJob } from '../protocol/ids.js';
import { readMessage, renewMessage } from '../protocol/message.js';

export interface RetryParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly index: TaskIdIndex;
  readonly unique: UniqueCalls;
}

/**
 * @param fresh drop the steps that it has finished
 * @returns the reason for a refusal
 */
export async function retryFailed(
  params: RetryParams,
  job: TaskRecord,
  fresh = false,
): Promise<string | undefined> {
  const { engine, clock, index, unique } = params;
  const message = readMessage(job.data);
  const taskId = message.id ?? taskIdOfJob(job.id);
  const ref = { queue: job.queue, id: job.id };
  // Its workflow has failed with it: a retry would lead nowhere.
  if (message.flow !== undefined)
    return 'it is a part of a workflow, which ended with it; send the workflow again';
  if (message.unique !== undefined) {
    const holder = await unique.takeAgain(message.unique, { taskId, job: ref, at: clock.now() });
    if (holder !== undefined) return `the task "${holder.taskId}" holds its unique key by now`;
  }
  if (!isGenerated(job.id)) await index.keep(taskId);
  for (const place of placesOf(message, job.id)) await keepRelocation(engine, place, job.queue);
  const backend = await engine.backend(job.queue);
  try {
    // Its attempts are counted from 0 again, and so are its chunks.
    await engine.streams.remove([job.id]);
    const { hasSteps = false } = job;
    if (hasSteps && fresh) await engine.steps.remove(ref);
    await backend.updateData({ id: job.id } as never, renewMessage(job.data, hasSteps && !fresh));
    await engine.queues.reset(job.queue, job.id);
    await backend.retryFinishedJob({ id: job.id, opts: {} } as never, 'failed', {
      resetAttemptsMade: true,
      resetAttemptsStarted: true,
    });
  } catch (error) {
    if (engine.isUnavailable(error)) throw error;
    return 'somebody else retried or deleted it meanwhile';
  }
  engine.signals.notify(job.id);
  return undefined;
}

/** @returns the reason for a refusal */
export async function deleteFailed(params: RetryParams, job: TaskRecord): Promise<string | undefined> {
  const { engine, index } = params;
  const message = readMessage(job.data);
  const backend = await engine.backend(job.queue);
  await Promise.all([backend.remove(job.id, false), engine.streams.remove([job.id])]);
  for (const place of placesOf(message, job.id)) await expireRelocation(engine, place, 0);
  if (!isGenerated(job.id)) await index.expire(message.id ?? taskIdOfJob(job.id), 1);
  engine.signals.notify(job.id);
  return undefined;
}
