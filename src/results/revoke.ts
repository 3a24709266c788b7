/**
 * Revoking. A revocation is written into the job's own message, where the next worker that fetches the job reads it
 * at no cost, and where it survives while no worker is up. It must never overwrite a concurrent change of the
 * message. For a running task the worker is asked over the control bus.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { keepAliveDuring } from '../broker/keep-alive.js';
import type { TaskLookup, TaskRecord } from '../coordination/task-record.js';
import { amendMessage, type Message, type Revocation, readMessage } from '../protocol/message.js';
import { READY, STARTED, type State } from '../states.js';
import { sleep } from '../timers.js';
import { stateOf } from './snapshot.js';

/** Options of `revoke()`. */
export interface RevokeOptions {
  /**
   * End the task even if it runs: its signal aborts, and it reads REVOKED at once. Default: false, a running task
   * goes on.
   */
  terminate?: boolean;
  /** Shown in TaskRevokedError. */
  reason?: string;
}

/** What revoking many tasks needs. */
export interface RevokeSource extends RevokeGround {
  locate(taskId: string): Promise<JobRef | undefined>;
  /** Revokes workflows; `undefined` for a plain task. */
  readonly flows: { revoke(ref: JobRef, options: RevokeOptions): Promise<RevokeReply | undefined> };
}

/** The outcome of `revoke()`. */
export interface RevokeReply {
  /** Whether the broker knows the task. */
  readonly found: boolean;
  /** The state before. */
  readonly was: State | undefined;
}

/** Asks running workers to end these jobs; resolves when they have answered. */
export type Terminate = (jobIds: readonly string[], reason: string | undefined) => Promise<void>;

/** Marks tasks as revoked; returns the job ids of the running ones. */
export async function revokeAll(
  source: RevokeSource,
  ids: readonly string[],
  options: { reason?: string },
): Promise<string[]> {
  const running: string[] = [];
  const note = async (jobIds: readonly string[]) => void running.push(...jobIds);
  for (const id of ids) {
    const ref = await source.locate(id);
    if (ref === undefined || (await source.flows.revoke(ref, options)) !== undefined) continue;
    await revokeTask(source, ref, { ...options, terminate: true }, note);
  }
  return running;
}

/** Where tasks are changed. */
export interface TaskGround {
  readonly engine: Engine;
  readonly tasks: TaskLookup;
}

/** Where tasks are revoked. */
export interface RevokeGround extends TaskGround {
  readonly clock: BrokerClock;
}

/** Revokes one task. A task that has not started never will; a running one goes on unless `terminate`. */
export function revokeTask(
  ground: RevokeGround,
  ref: JobRef,
  options: RevokeOptions,
  endRunning: Terminate,
): Promise<RevokeReply> {
  return keepAliveDuring(ground.engine, () => revoke(ground, ref, options, endRunning));
}

async function revoke(
  { engine, tasks, clock }: RevokeGround,
  ref: JobRef,
  { terminate = false, reason }: RevokeOptions,
  endRunning: Terminate,
): Promise<RevokeReply> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const before = await readOne(tasks, ref);
    if (before === undefined) return { found: false, was: undefined };
    const message = readMessage(before.data);
    const was = stateOf(before, message, clock.now());
    if (READY.has(was)) return { found: true, was };
    // The first of several revocations gives the reason.
    const revoked = { ...(reason !== undefined && { reason }), ...message.revoked };
    const started = before.running ? startedBy(before) : undefined;
    // The job was changed, moved or ended since the read: read it again.
    if (!(await amend(engine, before, { revoked: { ...revoked, ...started } }))) continue;
    const after = await readOne(tasks, ref);
    // It moved into its lane meanwhile, without the mark.
    if (after !== undefined && after.queue !== before.queue) continue;
    if (before.running || (after !== undefined && (await startedUnmarked(tasks, ref, after)))) {
      if (!before.running) await markStarted({ engine, tasks }, ref, revoked);
      if (terminate) await endRunning([ref.id], reason ?? revoked.reason);
      // It began to wait meanwhile: its next delivery ends it, and comes now.
      if (after?.running === false && after.doneAt === undefined) await promoteNow(engine, after);
      return { found: true, was: before.running ? was : STARTED };
    }
    if (after !== undefined && after.doneAt === undefined) await promoteNow(engine, after);
    engine.signals.notify(ref.id);
    return { found: true, was };
  }
  return { found: false, was: undefined };
}

/** Most tries; each failed one means that another write came first. */
const MOST_TRIES = 50;

function startedBy({ deliveries }: TaskRecord): Pick<Revocation, 'started' | 'delivery'> {
  return { started: true, delivery: deliveries };
}

/** Marks a revoked task as started before the revocation: it runs on. */
export async function markStarted(
  { engine, tasks }: TaskGround,
  ref: JobRef,
  revoked: Revocation,
): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const job = await readOne(tasks, ref);
    if (job === undefined || job.doneAt !== undefined) return;
    if (await amend(engine, job, { revoked: { ...revoked, ...startedBy(job) } })) return;
  }
}

/**
 * True if a worker fetched the job just before the mark, and runs it. A worker that fetches a marked job releases it
 * at once, so a job that stays locked was fetched before.
 */
export async function startedUnmarked(tasks: TaskLookup, ref: JobRef, first: TaskRecord): Promise<boolean> {
  let job: TaskRecord | undefined = first;
  for (let look = 0; look < LOOKS; look++) {
    if (job === undefined || !job.running) return false;
    await sleep(LOOK_MS);
    job = await readOne(tasks, ref);
  }
  return job?.running === true;
}

const LOOKS = 20;
const LOOK_MS = 30;

/** Changes the message of a job, if it is still as it was read; `false` otherwise. */
export function amend(
  engine: Engine,
  job: TaskRecord,
  change: Pick<Message, 'revoked' | 'forgotten'>,
): Promise<boolean> {
  return engine.amendData({ queue: job.queue, id: job.id }, job.data, amendMessage(job.data, change));
}

/** Promotes a delayed task, so that a worker ends it now; otherwise it would keep its claims until it is due. */
async function promoteNow(engine: Engine, { queue, id, delayMs }: TaskRecord): Promise<void> {
  if (delayMs <= 0) return;
  const backend = await engine.backend(queue);
  // Due in the meantime, or moved: no promotion needed.
  await backend.promote(id).catch(() => undefined);
}

export async function readOne(tasks: TaskLookup, ref: JobRef): Promise<TaskRecord | undefined> {
  const [task] = await tasks.read([ref]);
  return task;
}
