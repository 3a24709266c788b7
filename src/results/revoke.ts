/**
 * Revoking and forgetting. A revocation is written into the job's own message, where whoever fetches the job next reads
 * it at no cost, and where it survives while no worker is up. A task that runs is told over the control bus.
 */
import type { Engine, JobRef, StoredJob } from '../broker/engine.js';
import { held } from '../broker/held.js';
import { amendMessage, type Revocation, readMessage } from '../broker/message.js';
import { READY, STARTED, type State } from '../states.js';
import { sleep } from '../timers.js';
import { stateOf } from './snapshot.js';

/** What `revoke()` takes. */
export interface RevokeOptions {
  /** End it even if it runs: its signal aborts, it reads REVOKED at once. Default: false, a running task goes on. */
  terminate?: boolean;
  /** Shown in TaskRevokedError. */
  reason?: string;
}

/** What revoking many needs. */
export interface RevokeSource {
  readonly engine: Engine;
  locate(taskId: string): Promise<JobRef | undefined>;
  /** Revokes workflows; `undefined` for a task of its own. */
  readonly flows: { revoke(ref: JobRef, options: RevokeOptions): Promise<RevokeReply | undefined> };
}

/** What `revoke()` found. */
export interface RevokeReply {
  /** Whether the broker knows the task. */
  readonly found: boolean;
  /** The state before. */
  readonly was: State | undefined;
}

/** Tells running workers to end these jobs; resolves when they have answered. */
export type Terminate = (jobIds: readonly string[], reason: string | undefined) => Promise<void>;

/** Marks tasks as revoked; gives the job ids of those that run. */
export async function revokeAll(
  { engine, locate, flows }: RevokeSource,
  ids: readonly string[],
  options: { reason?: string },
): Promise<string[]> {
  const running: string[] = [];
  const note = async (jobIds: readonly string[]) => void running.push(...jobIds);
  for (const id of ids) {
    const ref = await locate(id);
    if (ref === undefined || (await flows.revoke(ref, options)) !== undefined) continue;
    await revokeTask(engine, ref, { ...options, terminate: true }, note);
  }
  return running;
}

/** Revokes one task. What has not started never will; what runs goes on unless `terminate`. */
export function revokeTask(
  engine: Engine,
  ref: JobRef,
  options: RevokeOptions,
  endRunning: Terminate,
): Promise<RevokeReply> {
  return held(engine, () => revoke(engine, ref, options, endRunning));
}

async function revoke(
  engine: Engine,
  ref: JobRef,
  options: RevokeOptions,
  endRunning: Terminate,
): Promise<RevokeReply> {
  const { terminate = false, reason } = options;
  const now = Date.now();
  const before = await readOne(engine, ref);
  if (before === undefined) return { found: false, was: undefined };
  const was = stateOf(before, readMessage(before.data), now);
  if (READY.has(was)) return { found: true, was };
  const place = { queue: before.queue, id: before.id };
  const revoked = {
    ...(reason !== undefined && { reason }),
    ...(before.running && { started: true as const }),
  };
  const marked = await mark(engine, place, before, revoked);
  const after = await readOne(engine, ref);
  if (after !== undefined && after.queue !== before.queue)
    // It went into its lane meanwhile, without the mark.
    return revoke(engine, ref, options, endRunning);
  if (!marked) return { found: false, was: undefined };
  if (before.running || (after !== undefined && (await startedUnmarked(engine, ref, after)))) {
    if (!before.running) await mark(engine, place, before, { ...revoked, started: true });
    if (terminate) await endRunning([ref.id], reason);
    return { found: true, was: before.running ? was : STARTED };
  }
  if (after !== undefined && after.doneAt === undefined) await hasten(engine, place, after);
  engine.signals.notify(ref.id);
  return { found: true, was };
}

/**
 * Whether somebody fetched the job just before it was marked, and runs it. Who fetched it after the mark lets go of it
 * at once, so a job that is held and held on to was fetched before.
 */
async function startedUnmarked(engine: Engine, ref: JobRef, first: StoredJob): Promise<boolean> {
  let job: StoredJob | undefined = first;
  for (let look = 0; look < LOOKS; look++) {
    if (job === undefined || !job.running) return false;
    await sleep(LOOK_MS);
    job = await readOne(engine, ref);
  }
  return job?.running === true;
}

const LOOKS = 10;
const LOOK_MS = 30;

/** Drops a task's record; one that has not ended keeps none when it does. */
export function forgetTask(engine: Engine, ref: JobRef): Promise<void> {
  return held(engine, () => forget(engine, ref));
}

async function forget(engine: Engine, ref: JobRef): Promise<void> {
  const job = await readOne(engine, ref);
  if (job === undefined) return;
  const backend = await engine.backend(job.queue);
  if (job.doneAt === undefined)
    await backend.updateData({ id: ref.id } as never, amendMessage(job.data, { ignore: true }));
  else await backend.remove(ref.id, false);
  engine.signals.notify(ref.id);
}

/** `false` when the job went away meanwhile. */
async function mark(engine: Engine, ref: JobRef, job: StoredJob, revoked: Revocation): Promise<boolean> {
  const backend = await engine.backend(ref.queue);
  try {
    await backend.updateData({ id: ref.id } as never, amendMessage(job.data, { revoked }));
    return true;
  } catch (error) {
    if (engine.isUnavailable(error) || (await readOne(engine, ref))?.queue === ref.queue) throw error;
    return false;
  }
}

/** A delayed task would hold its place until it is due: let a worker end it now. */
async function hasten(engine: Engine, ref: JobRef, job: StoredJob): Promise<void> {
  if (job.delayMs <= 0) return;
  const backend = await engine.backend(ref.queue);
  // Due in the meantime, or moved on: then there is nothing to hasten.
  await backend.promote(ref.id).catch(() => undefined);
}

async function readOne(engine: Engine, ref: JobRef): Promise<StoredJob | undefined> {
  const [job] = await engine.readJobs([ref]);
  return job;
}
