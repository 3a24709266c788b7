/**
 * Applies `resultExpires` and `failureExpires` without traffic: BullMQ drops old records only when other jobs finish.
 * The workers elect one sweeper, by a record that expires, for all queues of the app, also those without a consumer.
 * Work is done in bounded steps, so that the broker is never blocked for long.
 */
import { randomUUID } from 'node:crypto';
import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { Ended, EndedStep, KnownQueue } from '../../broker/queue-admin.js';
import type { WorkflowCheckupParams } from '../../canvas/workflow/checkup.js';
import type { Logger } from '../../options/logger.js';
import { WakeWatch } from '../../steps/wake-watch.js';
import { type Cancel, every, sleep } from '../../timers.js';
import { WorkflowWatch } from '../workflow/watch.js';

export interface ExpirySweeperParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly logger: Logger;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
  /** For the checkup of the app's workflows. */
  readonly workflows?: WorkflowCheckupParams;
  /** The queues this worker consumes now; they are noted as in use. */
  queues(): readonly string[];
}

/** Records removed per step; adapts to how long the broker takes, which grows with their size. */
const MAX_STEP = 500;
const MIN_STEP = 25;
const FIRST_STEP = 50;
/** A step that takes the broker longer is halved, ms. */
const LONG_STEP_MS = 15;
/** Pause between steps for other clients of the broker, ms. */
const PAUSE_MS = 20;
const MAX_INTERVAL_MS = 60_000;
const MIN_INTERVAL_MS = 500;
/** Name of the record that holds the elected sweeper's id. */
const ELECTED = 'janitor';

/** A queue not noted for so long is unused, ms: callers note a queue again while they use it. */
const UNUSED_MS = 90 * 24 * 3_600_000;

export class ExpirySweeper {
  readonly #id = randomUUID();
  readonly #intervalMs: number;
  #stopLooking: Cancel = () => undefined;
  #round: Promise<void> | undefined;
  #stopped = false;
  readonly #watch: WorkflowWatch | undefined;
  readonly #wakeWatch: WakeWatch;
  /** When to prolong the term, on this process's steady clock. */
  #prolongAt = 0;

  constructor(private readonly params: ExpirySweeperParams) {
    const { workflows, logger } = params;
    this.#watch = workflows && new WorkflowWatch({ workflows, logger });
    this.#wakeWatch = new WakeWatch(params);
    const shortest = Math.min(params.resultExpiresMs, params.failureExpiresMs);
    this.#intervalMs = Math.max(MIN_INTERVAL_MS, Math.min(MAX_INTERVAL_MS, shortest / 4));
  }

  start(): void {
    this.#stopped = false;
    const look = () => {
      // Rounds do not overlap: while one lasts, intervals are skipped.
      this.#round ??= this.#clean().finally(() => {
        this.#round = undefined;
      });
    };
    this.#stopLooking = every(this.#intervalMs, look, { ref: false });
    this.#watch?.start();
    this.#wakeWatch.start();
  }

  /** Resolves after the current step. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopLooking();
    await Promise.all([this.#round, this.#watch?.stop(), this.#wakeWatch.stop()]);
  }

  /** Never rejects. */
  async #clean(): Promise<void> {
    try {
      await this.params.engine.queues.note(this.params.queues());
      if (!(await this.#elected())) return;
      for (const queue of await this.#due()) await this.#cleanQueue(queue);
      await this.#reclaim();
    } catch (error) {
      // The next round tries again; an outage is reported by the engine.
      if (!this.params.engine.isUnavailable(error) && !this.#stopped)
        this.params.logger.warn({ error }, 'dropping expired records failed');
    }
  }

  async #elected(): Promise<boolean> {
    if (!(await this.params.engine.records.create(ELECTED, this.#id, this.#termMs))) return false;
    this.#prolongAt = performance.now() + this.#termMs / 3;
    return true;
  }

  /** The queues with expired records. */
  async #due(): Promise<string[]> {
    const { engine, queues } = this.params;
    const known = await engine.queues.known();
    await this.#forgetUnused(known);
    const all = [...new Set([...queues(), ...known.map(({ name }) => name)])];
    const due = await engine.queues.due(all, this.#before());
    return all.filter((_, i) => due[i]);
  }

  /** Forgets known queues that are empty, not paused, and were not noted for months. */
  async #forgetUnused(known: readonly KnownQueue[]): Promise<void> {
    const { clock, engine } = this.params;
    const before = clock.now() - UNUSED_MS;
    const names = known.filter(({ notedAt }) => notedAt < before).map(({ name }) => name);
    if (names.length === 0) return;
    const sizes = await engine.queues.sizes(names);
    const empty = names.filter((_, i) => {
      const { paused, ...counts } = sizes[i] ?? { paused: true };
      return !paused && Object.values(counts).every((count) => count === 0);
    });
    await engine.queues.forget(empty);
  }

  async #cleanQueue(queue: string): Promise<void> {
    let step = FIRST_STEP;
    for (const state of ['completed', 'failed'] as const) {
      let passed = 0;
      while (!this.#stopped && (await this.#stays())) {
        const place = { state, before: this.#before()[state], passed, limit: step };
        const ended = await this.params.engine.queues.ended(queue, place);
        passed += ended.foreign;
        const tookMs = await this.#removeStep(queue, place, ended);
        if (ended.own.length + ended.foreign < step) break;
        if (tookMs > LONG_STEP_MS) step = Math.max(MIN_STEP, Math.floor(step / 2));
        else if (tookMs < LONG_STEP_MS / 3) step = Math.min(MAX_STEP, step * 2);
        await sleep(PAUSE_MS);
      }
    }
  }

  /** Removes our own records. @returns how long the broker took, ms */
  async #removeStep(queue: string, { state, before, passed }: EndedStep, found: Ended): Promise<number> {
    const { engine } = this.params;
    const { own, foreign } = found;
    if (own.length === 0) return 0;
    const backend = await engine.backend(queue);
    // The broker answers this just before the step begins, so the time excludes this process and the way to the
    // broker.
    const begun = engine.serverTime().then(() => performance.now());
    const work =
      passed + foreign === 0
        ? backend.cleanJobsByState(state, before, own.length)
        : Promise.all(own.map((id) => backend.remove(id, false)));
    const [begunAt] = await Promise.all([begun, work]);
    return performance.now() - begunAt;
  }

  /** Removes expired small records and workflows, on brokers that do not expire them themselves. */
  async #reclaim(): Promise<void> {
    while (!this.#stopped && (await this.#stays()) && (await this.params.engine.reclaim(MAX_STEP)))
      await sleep(PAUSE_MS);
  }

  /** True while this worker is still elected; prolongs the term when due. */
  async #stays(): Promise<boolean> {
    if (performance.now() < this.#prolongAt) return true;
    const { records } = this.params.engine;
    const [record] = await records.read([ELECTED]);
    if (record?.value !== this.#id) return false;
    if (!(await records.replace(ELECTED, record.version, this.#id, this.#termMs))) return false;
    this.#prolongAt = performance.now() + this.#termMs / 3;
    return true;
  }

  /** The term ends before the next round of the other workers. */
  get #termMs(): number {
    return this.#intervalMs * 0.9;
  }

  /** Records that ended before these moments have expired, epoch ms. */
  #before() {
    const { clock, resultExpiresMs, failureExpiresMs } = this.params;
    return { completed: clock.now() - resultExpiresMs, failed: clock.now() - failureExpiresMs };
  }
}
