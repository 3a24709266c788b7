/**
 * Unique keys: one small record says which task holds a key. A key is as taken as its task is alive: whoever finds a
 * holder that has ended, expired or was revoked takes its place by compare-and-set, so nothing is ever blocked by a
 * process that died. Releasing a key at a task's end is tidiness.
 */

import { sleep } from '../timers.js';
import type { BrokerClock } from './clock.js';
import type { Engine, JobRef, StoredJob } from './engine.js';

/** A task that holds a key. */
export interface KeyHolder {
  readonly taskId: string;
  readonly job: JobRef;
  /** Since when, epoch ms of the broker's clock. */
  readonly at: number;
}

/** `unknown` is looked at again shortly. */
export type Standing = 'yes' | 'no' | 'unknown';

/** A holder without a job this old was left by a caller that died before it sent the task, or lost its record. */
const ABANDONED_AFTER_MS = 10_000;
/** A holder whose call is under way has its job by then, ms. */
const UNDER_WAY_MS = 1500;
const LOOK_MS = 15;

export class UniqueKeys {
  constructor(
    private readonly engine: Engine,
    private readonly clock: BrokerClock,
    /** Whether a job's task is going to hold its key: no when it has ended, or never will run. */
    private readonly stands: (job: StoredJob) => Standing,
  ) {}

  /**
   * Takes `key` for a task that is about to be sent.
   * @returns the living task that holds it, or `undefined` when it is ours now
   */
  async claim(key: string, mine: KeyHolder, ttlMs: number | undefined): Promise<KeyHolder | undefined> {
    const { records } = this.engine;
    const value = JSON.stringify(mine);
    const giveUpAt = performance.now() + UNDER_WAY_MS;
    for (;;) {
      if (await records.create(key, value, ttlMs)) return undefined;
      const [record] = await records.read([key]);
      if (record === undefined) continue; // it ended just now
      const holder = JSON.parse(record.value) as KeyHolder;
      // The same call again, after the broker could not be reached the first time.
      if (holder.taskId === mine.taskId) return undefined;
      const stands = await this.#stands(holder);
      if (stands === 'yes' || (stands === 'unknown' && performance.now() > giveUpAt)) return holder;
      if (stands === 'unknown') await sleep(LOOK_MS);
      else if (await records.replace(key, record.version, value, ttlMs)) return undefined;
    }
  }

  /** A job that is not there: its call is still under way, or died there, or its record went before its key did. */
  async #stands(holder: KeyHolder): Promise<Standing> {
    const [job] = await this.engine.readJobs([holder.job]);
    if (job !== undefined) return this.stands(job);
    return this.clock.now() - holder.at > ABANDONED_AFTER_MS ? 'no' : 'unknown';
  }
}

/** Frees a key, unless another task holds it by now. */
export async function releaseKey(engine: Engine, key: string, taskId: string): Promise<void> {
  const { records } = engine;
  const [record] = await records.read([key]);
  if (record === undefined || (JSON.parse(record.value) as KeyHolder).taskId !== taskId) return;
  await records.remove(key, record.version);
}
