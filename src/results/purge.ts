/**
 * Drops the waiting tasks of a queue. Each step takes a few tasks with a lock, as a worker would, and ends each as a
 * revocation would. No step takes long, and a purge that dies midway leaves the rest in the queue.
 *
 *   a task, step by step             a crash after it
 *   1 taken, with a lock             the lock expires, the task waits again
 *   2 its tombstone is written       the task waits again, and reads so: its job counts before its tombstone
 *   3 its job is ended and dropped   its other claims (a key, a caller's own id) expire by themselves
 */
import { randomUUID } from 'node:crypto';
import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { NOTHING_PASSED, type Passed, type TakenJob } from '../broker/queue-admin.js';
import { expireRelocation, placesOf, sentTo } from '../coordination/relocations.js';
import type { TaskIdIndex } from '../coordination/task-id-index.js';
import { raiseTombstone } from '../coordination/tombstones.js';
import { releaseKey } from '../coordination/unique-keys.js';
import { TaskRevokedError } from '../errors.js';
import { isGenerated, taskIdOfJob } from '../protocol/ids.js';
import { type Message, readMessage, writeMessage } from '../protocol/message.js';
import { revocationText } from './failure-text.js';

export interface PurgeParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly index: TaskIdIndex;
  /** How long the record of a failed task is kept, ms. */
  readonly failureExpiresMs: number;
  /** Records the end of a part in its workflow. Called before the part ends, so that no other part is left waiting. */
  onPart(ended: EndedUnstarted): Promise<void>;
}

/** A task that is ended before it has started. */
export interface EndedUnstarted {
  readonly job: TakenJob;
  /** The broker's queue that holds it. */
  readonly queue: string;
  readonly message: Message;
  readonly taskId: string;
  readonly reason: string;
  readonly error: TaskRevokedError;
}

const REASON = 'its queue was purged';

/** Tasks per step: a few milliseconds of the broker's time. */
const STEP = 200;
/** Much longer than a step takes, ms. */
const LOCK_MS = 30_000;
/** Longest time a dropped task is remembered, ms: waiting callers are notified at once, so no longer is needed. */
const REMEMBERED_MS = 3_600_000;

/**
 * Drops the tasks that wait in one queue of the broker now; tasks sent meanwhile may stay.
 * @returns the number of dropped tasks
 */
export async function purgeQueue(params: PurgeParams, queue: string): Promise<number> {
  const { queues } = params.engine;
  const [before] = await queues.sizes([queue]);
  let left = (before?.waiting ?? 0) + (before?.delayed ?? 0);
  let dropped = 0;
  let passed: Passed = NOTHING_PASSED;
  while (left > 0) {
    const token = randomUUID();
    const step = { limit: Math.min(STEP, left), passed, token, lockMs: LOCK_MS };
    const taken = await queues.take(queue, step);
    if (!taken.looked) break;
    await Promise.all(taken.jobs.map((job) => dropTask(params, queue, job, token)));
    // Some of them may have begun before: a retry waits too.
    await params.engine.streams.remove(taken.jobs.map(({ id }) => id));
    for (const { id } of taken.jobs) params.engine.signals.notify(id);
    passed = taken.passed;
    left -= step.limit;
    dropped += taken.jobs.length;
  }
  return dropped;
}

/**
 * Ends one unstarted task whose lock we hold: it reads REVOKED from now on. Its record is dropped as well, unless a
 * larger workflow still reads it.
 */
async function dropTask(params: PurgeParams, queue: string, job: TakenJob, token: string): Promise<void> {
  const { engine } = params;
  const message = readMessage(job.data);
  const taskId = message.id ?? taskIdOfJob(job.id);
  const error = new TaskRevokedError({ taskId, taskName: job.name, reason: REASON });
  const { message: failedReason, stack } = revocationText(error);
  const isPart = job.hasParent || message.flow !== undefined;
  if (message.flow !== undefined) await params.onPart({ job, queue, message, taskId, reason: REASON, error });
  if (message.ignore !== true && !isPart) {
    const place = { queue: sentTo(message, queue), id: job.id };
    const { name, sentAt } = job;
    const tomb = {
      name,
      sentAt,
      data: withoutArguments(message),
      droppedAt: params.clock.now(),
    };
    await raiseTombstone(engine, place, tomb, keptMs(params));
  }
  const backend = await engine.backend(queue);
  const ended = { id: job.id, opts: { attempts: 1, ...job.opts } } as never;
  const fields = { stacktrace: JSON.stringify([stack]) };
  await backend.moveToFailed(ended, failedReason, !isPart, token, false, fields);
  await letGo(params, job.id, taskId, message);
}

/** Releases a task's claims beside its job; few tasks have any. */
async function letGo(params: PurgeParams, jobId: string, taskId: string, message: Message): Promise<void> {
  const { engine, index } = params;
  if (message.unique !== undefined) await releaseKey(engine, message.unique, taskId);
  for (const place of placesOf(message, jobId)) await expireRelocation(engine, place, keptMs(params));
  if (!isGenerated(jobId)) await index.expire(taskId, keptMs(params));
}

function keptMs({ failureExpiresMs }: PurgeParams): number {
  return Math.min(failureExpiresMs, REMEMBERED_MS);
}

function withoutArguments({ v: _, args: __, ...fields }: Message): string {
  return writeMessage('[]', { ...fields, revoked: { reason: REASON } });
}
