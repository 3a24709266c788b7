/**
 * The index of callers' own task ids: which queue holds the job of a `taskId` that does not say so itself. An entry is
 * claimed before the job is added, so a task id is unique in the app; tasks with generated ids never touch it.
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

interface Entry {
  readonly queue: string;
  /** The job's id, where it is not the encoded task id. */
  readonly job?: string;
  /** Who claimed it: a caller whose add failed may go on where it stopped. */
  readonly owner: string;
  /** Epoch ms, broker's clock. */
  readonly at: number;
  /** By then its call has been made or given up: without a job the claim is nobody's. Epoch ms, broker's clock. */
  readonly until: number;
}

/** What became of a claim: it is ours, this very job had it already, or another task has it. */
type Entered = 'ours' | 'same' | 'taken';

/** An id of a caller's own, and the job that is to have it. */
export interface IdClaim {
  readonly id: string;
  readonly queue: string;
  readonly jobId: string;
}

/** An id whose job is to have the encoded id, where no other is named. */
type Claimed = Omit<IdClaim, 'jobId'> & Partial<IdClaim>;

/** A claim that was made, by what was written. */
interface Taken {
  readonly id: string;
  readonly entry: Entry;
}

export class TaskIdIndex {
  readonly #owner = randomUUID();
  readonly #inFlight = new Set<string>();

  constructor(
    private readonly engine: Pick<Engine, 'records'>,
    private readonly tasks: TaskLookup,
    private readonly clock: BrokerClock,
    /** How long a call may keep trying, ms. */
    private readonly publishRetryMs: number,
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
   * Takes `taskId` for a task, for as long as `send` takes; after that its job holds it. A send that was refused gives it
   * back; after one that broke off the claim stands until nobody can be sending any more.
   * @throws {DuplicateTaskError} when the id is taken
   * @throws {OptionError} for an id of ours that says that its task waits in another queue: nobody would find it again
   */
  claim(taskId: string, { queue, delayMs }: Claim, send: () => Promise<void>): Promise<void> {
    return this.claimAll([{ id: taskId, queue }], send, delayMs);
  }

  /**
   * {@link claim} for many, some at a time: as many round trips, but not one after the other.
   * @param delayMs how long the last of them waits before it may start
   * @throws {DuplicateTaskError} one of them is taken, or given twice; nothing is sent then
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
      // Unreachable, the task may have arrived all the same: then its id must lead to it.
      if (!isCeleriacError(error, 'BROKER_UNAVAILABLE'))
        await inPieces(taken, ({ id, entry }) => this.#withdraw(id, entry));
      throw error;
    } finally {
      for (const id of mine) this.#inFlight.delete(id);
    }
  }

  /** A job whose id says where it lies holds it by itself. */
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

  /** Best effort: a claim without a job is nobody's, soon. */
  async #withdraw(taskId: string, entry: Entry): Promise<void> {
    const { records } = this.engine;
    try {
      const [record] = await records.read([keyOf(taskId)]);
      if (record?.value === JSON.stringify(entry)) await records.remove(keyOf(taskId), record.version);
    } catch {
      // What kept the task from being sent keeps this, too.
    }
  }

  /** Lets many entries go with the records of their tasks. */
  async expireAll(taskIds: readonly string[], ttlMs: number): Promise<void> {
    await inPieces(taskIds, (taskId) => this.expire(taskId, ttlMs));
  }

  /** @throws {DuplicateTaskError} one of these ids is taken by now; none is taken by asking */
  async refuseTaken(taskIds: readonly string[]): Promise<void> {
    const refs = await Promise.all(taskIds.map((taskId) => this.locate(taskId)));
    const known = taskIds.flatMap((taskId, i) => (refs[i] === undefined ? [] : [{ taskId, ref: refs[i] }]));
    const jobs = await this.tasks.read(known.map(({ ref }) => ref));
    for (const [i, { taskId }] of known.entries())
      if (jobs[i] !== undefined && jobs[i].kind !== 'dropped') throw duplicate(taskId);
  }

  /** Keeps the entry for as long as the task takes: it runs again. */
  keep(taskId: string): Promise<void> {
    return this.#setLife(taskId, LONGEST_LIFE_MS);
  }

  /** Lets the entry go with the task's record. */
  expire(taskId: string, ttlMs: number): Promise<void> {
    return this.#setLife(taskId, ttlMs);
  }

  async #setLife(taskId: string, ttlMs: number): Promise<void> {
    const { records } = this.engine;
    const [record] = await records.read([keyOf(taskId)]);
    if (record !== undefined) await records.replace(keyOf(taskId), record.version, record.value, ttlMs);
  }

  /**
   * Takes `taskId` for a job; taking it again for the same one is fine.
   * @returns `false` when another has it
   */
  async enter(taskId: string, queue: string, job: string): Promise<boolean> {
    return (await this.#enter(taskId, this.#entry(queue, job))) !== 'taken';
  }

  #entry(queue: string, job: string | undefined): Entry {
    const at = this.clock.now();
    const until = at + claimMs(this.publishRetryMs);
    return { queue, ...(job !== undefined && { job }), owner: this.#owner, at, until };
  }

  /** Whose call is still under way is waited for: it either brings its job, or leaves the id to whoever asks. */
  async #enter(taskId: string, entry: Entry, lifeMs = LONGEST_LIFE_MS): Promise<Entered> {
    const { records } = this.engine;
    const value = JSON.stringify(entry);
    // The broker's clock may be set, or stand still in a test: nobody is waited for any longer than that.
    const giveUpAt = performance.now() + claimMs(this.publishRetryMs);
    for (let looks = 0; ; looks++) {
      if (await records.create(keyOf(taskId), value, lifeMs)) return 'ours';
      const [record] = await records.read([keyOf(taskId)]);
      if (record === undefined) continue; // expired in between
      const holder = JSON.parse(record.value) as Entry;
      if (entry.job !== undefined && holder.job === entry.job) return 'same';
      const standing = await this.#standing(refIn(holder, taskId));
      if (standing === 'kept') return 'taken';
      const mine = holder.owner === this.#owner;
      const over = mine || !(this.clock.now() <= holder.until) || performance.now() > giveUpAt;
      if (!over && standing === 'nowhere') await nextLook(looks);
      else if (await records.replace(keyOf(taskId), record.version, value, lifeMs)) return 'ours';
    }
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
    const [job] = await this.tasks.read([ref]);
    if (job === undefined) return 'nowhere';
    if (job.kind !== 'dropped') return 'kept';
    await this.engine.records.remove(tombstoneKey(ref));
    return 'dropped';
  }
}

/** So many are asked about at a time. */
const PIECE = 500;

/** Does all of a piece, whatever becomes of one, before it throws. */
async function inPieces<T>(all: readonly T[], body: (each: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += PIECE) {
    const ended = await Promise.allSettled(all.slice(at, at + PIECE).map(body));
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  }
}

/** Where the task of a claimed id will lie. */
export interface Claim {
  readonly queue: string;
  /** How long the task waits before it may start, ms. */
  readonly delayMs: number;
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
