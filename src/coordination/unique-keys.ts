/**
 * Unique keys: one small record names the task that holds a key. A key is held only while its task is alive. A caller that
 * finds a holder which ended, expired or was revoked takes the key by compare-and-set, so a process that died never blocks
 * a key. Releasing a key at the end of a task is only tidiness.
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
  /** By then the call was made or given up, and a key without a job is free. Epoch ms, broker's clock. */
  readonly until?: number;
}

/** Whether a task holds its key. `unknown`: check again shortly. */
export type Standing = 'yes' | 'no' | 'unknown';

/** How long a revoked task may take to end in its worker, most likely, ms. */
const ENDING_MS = 1500;

/** Claims unique keys for tasks. */
export class UniqueKeys {
  constructor(
    private readonly engine: Pick<Engine, 'records'>,
    private readonly tasks: TaskLookup,
    private readonly clock: BrokerClock,
    /** Whether a task holds its key: `no` when it has ended or will never run. */
    private readonly stands: (task: TaskRecord) => Standing,
    /** How long a call may keep trying, ms. */
    private readonly publishRetryMs: number,
  ) {}

  /**
   * Claims `key` for a task that is about to be sent. Waits for a holder that is still being sent.
   * @param ttlMs the longest time that the key is held, ms; default 90 days
   * @returns the living task that holds the key, or `undefined` when this task holds it now
   */
  async claim(key: string, mine: KeyHolder, ttlMs: number = LONGEST_LIFE_MS): Promise<KeyHolder | undefined> {
    const { records } = this.engine;
    const value = JSON.stringify({ ...mine, until: mine.at + claimMs(this.publishRetryMs) });
    const since = performance.now();
    for (let looks = 0; ; looks++) {
      if (await records.create(key, value, ttlMs)) return undefined;
      const [record] = await records.read([key]);
      if (record === undefined) continue; // released just now
      const holder = JSON.parse(record.value) as KeyHolder;
      // This is a retry of the same call: the broker was unreachable the first time.
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

  /** The living task that holds `key`; `undefined` where there is none, or none yet. */
  async holder(key: string): Promise<KeyHolder | undefined> {
    const [record] = await this.engine.records.read([key]);
    if (record === undefined) return undefined;
    const holder = JSON.parse(record.value) as KeyHolder;
    const [job] = await this.tasks.read([holder.job]);
    return job !== undefined && this.stands(job) === 'yes' ? holder : undefined;
  }

  /** For a holder without a job: its call is under way, or the caller died, or its record expired before its key. */
  #underWay({ at, until = at }: KeyHolder, waitedMs: number): Standing {
    // The broker's clock may be set, or stand still in a test: the local clock bounds the wait.
    const over = this.clock.now() > until || waitedMs > claimMs(this.publishRetryMs);
    return over ? 'no' : 'unknown';
  }
}

/** Releases a key, unless another task holds it by now. */
export async function releaseKey(engine: Engine, key: string, taskId: string): Promise<void> {
  const { records } = engine;
  const [record] = await records.read([key]);
  if (record === undefined || (JSON.parse(record.value) as KeyHolder).taskId !== taskId) return;
  await records.remove(key, record.version);
}
