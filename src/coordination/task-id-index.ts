/**
 * The index of callers' own task ids: maps a `taskId` that does not contain its queue to the queue of its job. The entry
 * is claimed before the job is added, so a task id is unique in the app. Tasks with generated ids never touch the index.
 */
import { randomUUID } from 'node:crypto';
import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { untilAnswered } from '../broker/until-answered.js';
import { DuplicateTaskError, isCeleriacError, OptionError } from '../errors.js';
import { encodeCustomId, partOf, queueByShape, queueOfGenerated } from '../protocol/ids.js';
import { claimMs, LONGEST_LIFE_MS, nextLook } from './claims.js';
import type { TaskLookup } from './task-record.js';
import { tombstoneKey } from './tombstones.js';

interface IndexEntry {
  readonly queue: string;
  /** The job's id, absent when it is the encoded task id. */
  readonly job?: string;
  /** The process that claimed the id: a caller whose add failed may continue with its own claim. */
  readonly owner: string;
  /** Epoch ms, broker's clock. */
  readonly at: number;
  /** By then the call was made or given up, and a claim without a job is free. Epoch ms, broker's clock. */
  readonly until: number;
}

/** The outcome of a claim: now ours, held by this same job already, or held by another task. */
type Entered = 'ours' | 'same' | 'taken';

/** A caller's own id, and the job that is to have it. */
export interface IdClaim {
  readonly id: string;
  readonly queue: string;
  readonly jobId: string;
}

/** An id to claim. Without `jobId` the job has the encoded id. */
type Claimed = Omit<IdClaim, 'jobId'> & Partial<IdClaim>;

/** A claim that was made, with the entry that was written. */
interface Taken {
  readonly id: string;
  readonly entry: IndexEntry;
}

/** Claims callers' own task ids and finds their jobs. */
export class TaskIdIndex {
  readonly #inFlight = new Set<string>();

  constructor(
    private readonly engine: Pick<Engine, 'records'>,
    private readonly tasks: TaskLookup,
    private readonly clock: BrokerClock,
    /** How long a call may keep trying, ms. */
    private readonly publishRetryMs: number,
    /** Identifies who claims: its own claims without a job are free to it at once. */
    private readonly owner: string = randomUUID(),
  ) {}

  /** The place of a task id's job; `undefined` for an unknown id. Generated ids need no look-up. */
  async locate(taskId: string): Promise<JobRef | undefined> {
    const queue = queueOfGenerated(taskId);
    if (queue !== undefined) return { queue, id: taskId };
    const [record] = await this.engine.records.read([keyOf(taskId)]);
    if (record !== undefined) return refIn(JSON.parse(record.value) as IndexEntry, taskId);
    // Either a job that another program added, or the id of a group, which has no job. A caller's own may look like either.
    const named = queueByShape(taskId) ?? (partOf(taskId) === undefined ? undefined : '');
    return named === undefined ? undefined : { queue: named, id: taskId };
  }

  /**
   * Claims `taskId` for as long as `send` takes; after that its job holds the id. If the broker refuses the send, the
   * claim is released. If the connection broke, the claim stands until its call can no longer be under way.
   * @throws {DuplicateTaskError} when the id is taken
   * @throws {OptionError} for a generated id that contains another queue: readers would look for the job there
   */
  claim(taskId: string, { queue, delayMs }: Claim, send: () => Promise<void>): Promise<void> {
    return this.claimAll([{ id: taskId, queue }], send, delayMs);
  }

  /**
   * {@link claim} for many ids, 500 at a time: as many round trips, but concurrent ones.
   * @param delayMs how long the last of the tasks waits before it may start
   * @throws {DuplicateTaskError} when one of the ids is taken or given twice; then nothing is sent
   */
  async claimAll(claims: readonly Claimed[], send: () => Promise<void>, delayMs = 0): Promise<void> {
    if (claims.length === 0) return send();
    const mine = new Set<string>();
    const taken: Taken[] = [];
    try {
      for (const { id, queue } of claims) {
        if (this.#inFlight.has(id)) throw duplicate(id);
        this.#inFlight.add(id);
        mine.add(id);
        const home = queueOfGenerated(id);
        if (home !== undefined && home !== queue) throw misplaced(id, home, queue);
      }
      await inPieces(claims, (claim) =>
        untilAnswered(this.publishRetryMs, () => this.#take(claim, LONGEST_LIFE_MS + delayMs, taken)),
      );
      await send();
    } catch (error) {
      // With the broker unreachable the task may still have arrived, and its id must lead to it.
      if (!isCeleriacError(error, 'BROKER_UNAVAILABLE'))
        await inPieces(taken, ({ id, entry }) => this.#withdraw(id, entry));
      throw error;
    } finally {
      for (const id of mine) this.#inFlight.delete(id);
    }
  }

  /** Takes one id. A generated id needs no entry: its job holds the id by itself. */
  async #take({ id, queue, jobId }: Claimed, lifeMs: number, taken: Taken[]): Promise<void> {
    if (queueOfGenerated(id) !== undefined) {
      if ((await this.#standing({ queue, id })) === 'kept') throw duplicate(id);
      return;
    }
    const entry = this.#entry(queue, jobId);
    const entered = await this.#enter(id, entry, lifeMs);
    if (entered === 'taken') throw duplicate(id);
    if (entered === 'ours') taken.push({ id, entry });
  }

  /** Removes a claim. Best effort: a claim without a job is free soon anyway. */
  async #withdraw(taskId: string, entry: IndexEntry): Promise<void> {
    const { records } = this.engine;
    try {
      const [record] = await records.read([keyOf(taskId)]);
      if (record?.value === JSON.stringify(entry)) await records.remove(keyOf(taskId), record.version);
    } catch {
      // The failure that prevented the send prevents this too.
    }
  }

  /** {@link expire} for many ids. */
  async expireAll(taskIds: readonly string[], ttlMs: number): Promise<void> {
    await inPieces(taskIds, (taskId) => this.expire(taskId, ttlMs));
  }

  /** Checks ids without claiming them. @throws {DuplicateTaskError} when one of them is taken */
  async refuseTaken(taskIds: readonly string[]): Promise<void> {
    const refs = await Promise.all(taskIds.map((taskId) => this.locate(taskId)));
    const known = taskIds.flatMap((taskId, i) => (refs[i] === undefined ? [] : [{ taskId, ref: refs[i] }]));
    const jobs = await this.tasks.read(known.map(({ ref }) => ref));
    for (const [i, { taskId }] of known.entries())
      if (jobs[i] !== undefined && jobs[i].kind !== 'dropped') throw duplicate(taskId);
  }

  /** Restores the full time to live of the entry, for a task that runs again. */
  keep(taskId: string): Promise<void> {
    return this.#setLife(taskId, LONGEST_LIFE_MS);
  }

  /** Lets the entry expire with the task's record, in `ttlMs`. */
  expire(taskId: string, ttlMs: number): Promise<void> {
    return this.#setLife(taskId, ttlMs);
  }

  async #setLife(taskId: string, ttlMs: number): Promise<void> {
    const { records } = this.engine;
    const [record] = await records.read([keyOf(taskId)]);
    if (record !== undefined) await records.replace(keyOf(taskId), record.version, record.value, ttlMs);
  }

  /**
   * Claims `taskId` for a job. Idempotent for the same job.
   * @returns `false` when another task has the id
   */
  async enter(taskId: string, queue: string, job: string): Promise<boolean> {
    return (await this.#enter(taskId, this.#entry(queue, job))) !== 'taken';
  }

  #entry(queue: string, job: string | undefined): IndexEntry {
    const at = this.clock.now();
    const until = at + claimMs(this.publishRetryMs);
    return { queue, ...(job !== undefined && { job }), owner: this.owner, at, until };
  }

  /** Waits while the holder's call may be under way: the call either adds its job, or leaves the id free. */
  async #enter(taskId: string, entry: IndexEntry, lifeMs = LONGEST_LIFE_MS): Promise<Entered> {
    const { records } = this.engine;
    const value = JSON.stringify(entry);
    // The broker's clock may be set, or stand still in a test: the local clock bounds the wait.
    const giveUpAt = performance.now() + claimMs(this.publishRetryMs);
    for (let looks = 0; ; looks++) {
      if (await records.create(keyOf(taskId), value, lifeMs)) return 'ours';
      const [record] = await records.read([keyOf(taskId)]);
      if (record === undefined) continue; // expired in between
      const holder = JSON.parse(record.value) as IndexEntry;
      if (entry.job !== undefined && holder.job === entry.job) return 'same';
      const standing = await this.#standing(refIn(holder, taskId));
      if (standing === 'kept') return 'taken';
      const mine = holder.owner === this.owner;
      const over = mine || !(this.clock.now() <= holder.until) || performance.now() > giveUpAt;
      if (!over && standing === 'nowhere') await nextLook(looks);
      else if (await records.replace(keyOf(taskId), record.version, value, lifeMs)) return 'ours';
    }
  }

  /** @throws {DuplicateTaskError} when a task outside this workflow has the id */
  async refuseOther(taskId: string, flow: string): Promise<void> {
    const [record] = await this.engine.records.read([keyOf(taskId)]);
    const holder = record === undefined ? undefined : (JSON.parse(record.value) as IndexEntry);
    if (holder === undefined || partOf(holder.job ?? '')?.flow === flow) return;
    if ((await this.#standing(refIn(holder, taskId))) === 'kept') throw duplicate(taskId);
  }

  /** Whether the id's task is kept. The tombstone of a dropped task is removed, which frees the id. */
  async #standing(ref: JobRef): Promise<'kept' | 'dropped' | 'nowhere'> {
    const [job] = await this.tasks.read([ref]);
    if (job === undefined) return 'nowhere';
    if (job.kind !== 'dropped') return 'kept';
    await this.engine.records.remove(tombstoneKey(ref));
    return 'dropped';
  }
}

/** Most ids handled at a time. */
const PIECE = 500;

/** Runs `body` for all, piece by piece. Waits for a whole piece before it throws the first failure. */
async function inPieces<T>(all: readonly T[], body: (each: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += PIECE) {
    const ended = await Promise.allSettled(all.slice(at, at + PIECE).map(body));
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  }
}

/** The queue that the task of a claimed id will wait in. */
export interface Claim {
  readonly queue: string;
  /** How long the task waits before it may start, ms. */
  readonly delayMs: number;
}

function refIn({ queue, job }: IndexEntry, taskId: string): JobRef {
  return { queue, id: job ?? encodeCustomId(taskId) };
}

function keyOf(taskId: string): string {
  // Encoded, since PostgreSQL accepts no NUL and no lone surrogate in a key.
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
