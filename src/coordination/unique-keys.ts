/**
 * Unique keys: one small record says which task holds a key. A key is as taken as its task is alive: whoever finds a
 * holder that has ended, expired or was revoked takes its place by compare-and-set, so nothing is ever blocked by a
 * process that died. Releasing a key at a task's end is tidiness.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { claimMs, LONGEST_LIFE_MS, nextLook } from './claims.js';
import type { TaskLookup, TaskRecord } from './task-record.js';

/** A task that holds a key. */
export interface KeyHolder {
  readonly taskId: string;
  readonly job: JobRef;
  /** Since when, epoch ms of the broker's clock. */
  readonly at: number;
  /** By then its call has been made or given up: without a job the key is nobody's. Epoch ms, broker's clock. */
  readonly until?: number;
}

/** `unknown` is looked at again shortly. */
export type Standing = 'yes' | 'no' | 'unknown';

/** A task that was revoked while a worker has it in hand has ended by then, most likely, ms. */
const ENDING_MS = 1500;

export class UniqueKeys {
  constructor(
    private readonly engine: Pick<Engine, 'records'>,
    private readonly tasks: TaskLookup,
    private readonly clock: BrokerClock,
    /** Whether a job's task is going to hold its key: no when it has ended, or never will run. */
    private readonly stands: (task: TaskRecord) => Standing,
    /** How long a call may keep trying, ms. */
    private readonly publishRetryMs: number,
  ) {}

  /**
   * Takes `key` for a task that is about to be sent. Whoever is still sending theirs is waited for.
   * @param ttlMs how long it is held at most; by default for as long as the task may take
   * @returns the living task that holds it, or `undefined` when it is ours now
   */
  async claim(key: string, mine: KeyHolder, ttlMs: number = LONGEST_LIFE_MS): Promise<KeyHolder | undefined> {
    const { records } = this.engine;
    const value = JSON.stringify({ ...mine, until: mine.at + claimMs(this.publishRetryMs) });
    const since = performance.now();
    for (let looks = 0; ; looks++) {
      if (await records.create(key, value, ttlMs)) return undefined;
      const [record] = await records.read([key]);
      if (record === undefined) continue; // it ended just now
      const holder = JSON.parse(record.value) as KeyHolder;
      // The same call again, after the broker could not be reached the first time.
      if (holder.taskId === mine.taskId) return undefined;
      const [job] = await this.tasks.read([holder.job]);
      const waitedMs = performance.now() - since;
      const stands = job === undefined ? this.#underWay(holder, waitedMs) : this.stands(job);
      if (stands === 'yes') return holder;
      if (stands === 'unknown' && job !== undefined && waitedMs > ENDING_MS) return holder;
      if (stands === 'unknown') await nextLook(looks);
      else if (await records.replace(key, record.version, value, ttlMs)) return undefined;
    }
  }

  /** A job that is not there: its call is still under way, or died there, or its record went before its key did. */
  #underWay({ at, until = at }: KeyHolder, waitedMs: number): Standing {
    // The broker's clock may be set, or stand still in a test: nobody is waited for any longer than that.
    const over = this.clock.now() > until || waitedMs > claimMs(this.publishRetryMs);
    return over ? 'no' : 'unknown';
  }
}

/** Frees a key, unless another task holds it by now. */
export async function releaseKey(engine: Engine, key: string, taskId: string): Promise<void> {
  const { records } = engine;
  const [record] = await records.read([key]);
  if (record === undefined || (JSON.parse(record.value) as KeyHolder).taskId !== taskId) return;
  await records.remove(key, record.version);
}
