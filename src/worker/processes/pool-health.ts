/**
 * The health of a worker of several processes: that of the processes, merged. Counts of ended processes stay, so that
 * a sum never goes down.
 */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import { lasting, type MetricsJson, prometheusText } from '../../events/metrics.js';
import type { Logger } from '../../options/logger.js';
import type { HealthOptions } from '../../options/worker-values.js';
import { queueOfLane } from '../../protocol/lanes.js';
import { BrokerWatch, PROBE_MS } from '../observe/broker-watch.js';
import { readBroker } from '../observe/health.js';
import { HealthServer, type Verdict } from '../observe/health-server.js';
import type { WorkerOutbox } from '../relay-outbox.js';
import { sumCounts } from './merge-replies.js';
import type { ProcessHealth, ProcessRecord } from './messages.js';
import type { ProcessPool } from './pool.js';

export interface PoolHealthParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly logger: Logger;
  readonly health: HealthOptions | undefined;
  readonly outbox?: WorkerOutbox;
  readonly processPool: ProcessPool;
  /** Why the node takes no tasks; undefined while it does. */
  idle(): string | undefined;
}

/** Sums over a node's processes. */
export interface PoolSums {
  readonly running: number;
  readonly concurrency: number;
  readonly processed: number;
  /** Names of queues as people know them. */
  readonly queues: readonly string[];
}

/** A process that does not answer in time, because its event loop is blocked, is skipped this time, ms. */
const ANSWER_MS = 1000;
const WELL: Verdict = { ok: true };

export class PoolHealth {
  readonly #watch: BrokerWatch;
  #server: HealthServer | undefined;
  #endedMetrics: Promise<MetricsJson> = Promise.resolve([]);
  #endedCounts: Readonly<Record<string, number>> = sumCounts([]);

  constructor(private readonly params: PoolHealthParams) {
    this.#watch = new BrokerWatch(params.engine);
  }

  /** The port of the health endpoint while it listens. */
  get port(): number | undefined {
    return this.#server?.port;
  }

  /** Ended tasks by name, of ended processes. */
  get endedCounts(): Readonly<Record<string, number>> {
    return this.#endedCounts;
  }

  /** Sums of the latest records; also requests new records for the next time. */
  sums(): PoolSums {
    const records = this.params.processPool.children.map(({ record }) => record);
    void this.params.processPool.takeRecords(ANSWER_MS);
    const sum = (of: (record: ProcessRecord) => number) =>
      records.reduce((total, record) => total + of(record), 0);
    const counts = [this.#endedCounts, ...records.map(({ processed }) => processed)];
    return {
      running: sum(({ running }) => running),
      concurrency: sum(({ concurrency }) => concurrency),
      processed: counts.flatMap(Object.values<number>).reduce((total, n) => total + n, 0),
      queues: [...new Set(records.flatMap(({ queues }) => queues).map(queueOfLane))],
    };
  }

  async open(): Promise<void> {
    const { health, logger } = this.params;
    if (health === undefined || this.#server !== undefined) return;
    this.#server = await HealthServer.open(health, {
      live: () => this.#live(),
      ready: () => this.#ready(),
      metrics: () => this.#metrics(),
    });
    logger.info({ host: health.host, port: this.port }, 'health endpoint listening');
  }

  /** Keeps the counts of an ended process. */
  mergeEnded({ processed, metrics }: ProcessRecord): void {
    this.#endedCounts = sumCounts([this.#endedCounts, processed]);
    if (metrics.length > 0)
      this.#endedMetrics = this.#endedMetrics.then((before) => lasting([before, metrics]));
  }

  close(): void {
    this.#server?.close();
  }

  async #live(): Promise<Verdict> {
    const answers = await this.#ask(PROBE_MS);
    return answers.map(({ live }) => live).find(({ ok }) => !ok) ?? WELL;
  }

  /** Ready while one process takes tasks: the supervisor replaces the others. */
  async #ready(): Promise<Verdict> {
    const { idle, engine, processPool } = this.params;
    const why = idle();
    if (why !== undefined) return { ok: false, why };
    if (!(await this.#watch.answers()))
      return { ok: false, why: `the broker at ${engine.address} does not answer` };
    if (processPool.working.length === 0) return { ok: false, why: 'no worker process is ready' };
    const answers = (await this.#ask()).map(({ ready }) => ready);
    // A process that computes cannot answer, but it is known to take tasks.
    const silent = processPool.working.length > answers.length;
    return silent || answers.some(({ ok }) => ok) ? WELL : (answers[0] ?? WELL);
  }

  async #metrics(): Promise<string> {
    const { processPool } = this.params;
    await processPool.takeRecords(ANSWER_MS);
    const records = processPool.children.map(({ record }) => record);
    const queues = [...new Set(records.flatMap((record) => record.queues))];
    return prometheusText(
      [await this.#endedMetrics, ...records.map(({ metrics }) => metrics)],
      await readBroker(this.params, queues),
    );
  }

  async #ask(withinMs = ANSWER_MS): Promise<ProcessHealth[]> {
    return (await this.params.processPool.ask('health', {}, withinMs)) as ProcessHealth[];
  }
}
