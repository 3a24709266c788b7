/**
 * The index of callers' own task ids: which queue holds the job of a `taskId` that does not say so itself. An entry is
 * claimed before the job is added, so a task id is unique in the app; tasks with generated ids never touch it.
 */
import { randomUUID } from 'node:crypto';
import { DuplicateTaskError, OptionError } from '../errors.js';
import type { BrokerClock } from './clock.js';
import type { Engine, JobRef } from './engine.js';
import { encodeCustomId, partOf, queueByShape, queueOfGenerated } from './ids.js';
import { tombstoneKey } from './tombstones.js';

interface Entry {
  readonly queue: string;
  /** The job's id, where it is not the encoded task id. */
  readonly job?: string;
  /** Who claimed it: a caller whose add failed may go on where it stopped. */
  readonly owner: string;
  /** Epoch ms, broker's clock. */
  readonly at: number;
}

/** A claim without a job this old was left by a caller that died between the two. */
const ABANDONED_AFTER_MS = 10_000;

/** An id of a caller's own, and the job that is to have it. */
export interface IdClaim {
  readonly id: string;
  readonly queue: string;
  readonly jobId: string;
}

export class IdIndex {
  readonly #owner = randomUUID();
  readonly #inFlight = new Set<string>();

  constructor(
    private readonly engine: Engine,
    private readonly clock: BrokerClock,
  ) {}

  /** Where the job of a task id lies, if the id is known. Generated ids need no look-up. */
  async locate(taskId: string): Promise<JobRef | undefined> {
    const queue = queueOfGenerated(taskId);
    if (queue !== undefined) return { queue, id: taskId };
    const [record] = await this.engine.records.read([keyOf(taskId)]);
    if (record !== undefined) return refIn(JSON.parse(record.value) as Entry, taskId);
    // A job that another program added; or the id of a group, which has no job. A caller's own may look like either.
    const named = queueByShape(taskId) ?? (partOf(taskId) === undefined ? undefined : '');
    return named === undefined ? undefined : { queue: named, id: taskId };
  }

  /**
   * Takes `taskId` for a task in `queue`, for as long as `send` takes; after that its job holds it.
   * @param job the job's id, where it is not the encoded task id
   * @throws {DuplicateTaskError} when the id is taken
   * @throws {OptionError} for an id of ours that says that its task waits in another queue: nobody would find it again
   */
  async claim(taskId: string, queue: string, send: () => Promise<void>, job?: string): Promise<void> {
    if (this.#inFlight.has(taskId)) throw duplicate(taskId);
    this.#inFlight.add(taskId);
    try {
      const home = queueOfGenerated(taskId);
      if (home !== undefined && home !== queue) throw misplaced(taskId, home, queue);
      if (!(await this.#take(taskId, queue, job))) throw duplicate(taskId);
      await send();
    } finally {
      this.#inFlight.delete(taskId);
    }
  }

  /**
   * {@link claim} for many, some at a time: as many round trips, but not one after the other.
   * @throws {DuplicateTaskError} one of them is taken, or given twice; nothing is sent then
   */
  async claimAll(claims: readonly IdClaim[], send: () => Promise<void>): Promise<void> {
    const [first, ...others] = claims;
    if (first === undefined) return send();
    if (others.length === 0) return this.claim(first.id, first.queue, send, first.jobId);
    const mine = new Set<string>();
    try {
      for (const { id, queue } of claims) {
        if (this.#inFlight.has(id)) throw duplicate(id);
        this.#inFlight.add(id);
        mine.add(id);
        const home = queueOfGenerated(id);
        if (home !== undefined && home !== queue) throw misplaced(id, home, queue);
      }
      await inPieces(claims, async ({ id, queue, jobId }) => {
        if (!(await this.#take(id, queue, jobId))) throw duplicate(id);
      });
      await send();
    } finally {
      for (const id of mine) this.#inFlight.delete(id);
    }
  }

  /** Whether an id was free, which it is no more: a job whose id says where it lies holds it by itself. */
  async #take(taskId: string, queue: string, job: string | undefined): Promise<boolean> {
    if (queueOfGenerated(taskId) === undefined) return this.enter(taskId, queue, job);
    return (await this.#standing({ queue, id: taskId })) !== 'kept';
  }

  /** Lets many entries go with the records of their tasks. */
  async expireAll(taskIds: readonly string[], ttlMs: number): Promise<void> {
    await inPieces(taskIds, (taskId) => this.expire(taskId, ttlMs));
  }

  /** @throws {DuplicateTaskError} one of these ids is taken by now; none is taken by asking */
  async refuseTaken(taskIds: readonly string[]): Promise<void> {
    const refs = await Promise.all(taskIds.map((taskId) => this.locate(taskId)));
    const known = taskIds.flatMap((taskId, i) => (refs[i] === undefined ? [] : [{ taskId, ref: refs[i] }]));
    const jobs = await this.engine.readJobs(known.map(({ ref }) => ref));
    for (const [i, { taskId }] of known.entries())
      if (jobs[i] !== undefined && jobs[i].dropped === undefined) throw duplicate(taskId);
  }

  /** Keeps the entry for as long as the task takes: it runs again. */
  keep(taskId: string): Promise<void> {
    return this.#setLife(taskId, undefined);
  }

  /** Lets the entry go with the task's record. */
  expire(taskId: string, ttlMs: number): Promise<void> {
    return this.#setLife(taskId, ttlMs);
  }

  async #setLife(taskId: string, ttlMs: number | undefined): Promise<void> {
    const { records } = this.engine;
    const [record] = await records.read([keyOf(taskId)]);
    if (record !== undefined) await records.replace(keyOf(taskId), record.version, record.value, ttlMs);
  }

  /**
   * Takes `taskId` for a job; taking it again for the same one is fine.
   * @returns `false` when another has it
   */
  async enter(taskId: string, queue: string, job: string | undefined): Promise<boolean> {
    const { records } = this.engine;
    const entry: Entry = {
      queue,
      ...(job !== undefined && { job }),
      owner: this.#owner,
      at: this.clock.now(),
    };
    const value = JSON.stringify(entry);
    if (await records.create(keyOf(taskId), value)) return true;
    const [record] = await records.read([keyOf(taskId)]);
    if (record === undefined) return this.enter(taskId, queue, job); // expired in between
    const holder = JSON.parse(record.value) as Entry;
    if (job !== undefined && holder.job === job) return true;
    const holding = await this.#standing(refIn(holder, taskId));
    if (holding === 'kept') return false;
    const mine = holder.owner === this.#owner;
    const abandoned = this.clock.now() - holder.at > ABANDONED_AFTER_MS;
    return (
      (mine || abandoned || holding === 'dropped') &&
      (await records.replace(keyOf(taskId), record.version, value))
    );
  }

  /** @throws {DuplicateTaskError} a task that is no part of this workflow has the id */
  async refuseOther(taskId: string, flow: string): Promise<void> {
    const [record] = await this.engine.records.read([keyOf(taskId)]);
    const holder = record === undefined ? undefined : (JSON.parse(record.value) as Entry);
    if (holder === undefined || partOf(holder.job ?? '')?.flow === flow) return;
    if ((await this.#standing(refIn(holder, taskId))) === 'kept') throw duplicate(taskId);
  }

  /** A dropped task gives its id back. */
  async #standing(ref: JobRef): Promise<'kept' | 'dropped' | 'nowhere'> {
    const [job] = await this.engine.readJobs([ref]);
    if (job === undefined) return 'nowhere';
    if (job.dropped === undefined) return 'kept';
    await this.engine.records.remove(tombstoneKey(ref));
    return 'dropped';
  }
}

/** So many are asked about at a time. */
const PIECE = 500;

async function inPieces<T>(all: readonly T[], body: (each: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += PIECE) await Promise.all(all.slice(at, at + PIECE).map(body));
}

function refIn({ queue, job }: Entry, taskId: string): JobRef {
  return { queue, id: job ?? encodeCustomId(taskId) };
}

function keyOf(taskId: string): string {
  // Encoded: PostgreSQL takes no NUL and no lone surrogate in a key.
  return `id:${encodeCustomId(taskId)}`;
}

function misplaced(taskId: string, home: string, queue: string): OptionError {
  return new OptionError(
    `The task id "${taskId}" was made by celeriac for a task in queue "${home}", and this call goes to "${queue}". ` +
      'Send it to that queue, or leave taskId out.',
  );
}

function duplicate(taskId: string): DuplicateTaskError {
  return new DuplicateTaskError(
    `The task id "${taskId}" is taken: a task with it was sent and its record is still kept. ` +
      'Use another taskId, or none, or read the existing task with app.result(id).',
    taskId,
  );
}
