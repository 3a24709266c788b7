/**
 * The state of a worker for the health port: whether it is alive and takes tasks, and what it has done. Without a
 * health port the cost is one look at an undefined field per task.
 */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import { readQueueStates } from '../../coordination/queue-depth.js';
import { countWaiting } from '../../coordination/waiting-count.js';
import {
  type BrokerMetrics,
  type EndState,
  Metrics,
  type MetricsJson,
  type MetricsSource,
  type OutboxDepth,
  prometheusText,
  type QueueDepth,
} from '../../events/metrics.js';
import type { Logger } from '../../options/logger.js';
import type { HealthOptions } from '../../options/worker-values.js';
import { type Delivery, startsOf } from '../../queue/delivery.js';
import type { WorkerOutbox } from '../relay-outbox.js';
import { type Execution, type Outcome, UNKNOWN_TASK } from '../run/outcome.js';
import { within } from '../within.js';
import { BrokerWatch, PATIENCE_MS, PROBE_MS } from './broker-watch.js';
import { HealthServer, type Verdict } from './health-server.js';

export interface WorkerHealthParams extends MetricsSource {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly logger: Logger;
  readonly health: HealthOptions | undefined;
  readonly outbox?: WorkerOutbox;
  /** True when a supervisor answers on this worker's behalf and wants its metrics. */
  readonly measured: boolean;
  /** Why the worker takes no tasks; undefined while it takes some. */
  idle(): string | undefined;
  /** The longest time one of its consumers has been stalled, ms. */
  stalledForMs(): number;
  /** Names of the broker's queues that it consumes. */
  queues(): readonly string[];
}

/** A worker stalled for so long, while its broker answers others, does not recover by itself. */
const HOPELESS_MS = 60_000;

export class WorkerHealth {
  readonly #watch: BrokerWatch;
  #metrics: Metrics | undefined;
  #server: HealthServer | undefined;

  constructor(private readonly params: WorkerHealthParams) {
    this.#watch = new BrokerWatch(params.engine);
  }

  /** The port of the health endpoint while it listens. */
  get port(): number | undefined {
    return this.#server?.port;
  }

  /** Starts listening. May be called again after a failed start. */
  async open(): Promise<void> {
    const { health, measured, logger } = this.params;
    if (health !== undefined || measured) this.#metrics ??= await Metrics.open(this.params);
    if (health === undefined || this.#server !== undefined) return;
    this.#server = await HealthServer.open(health, {
      live: () => this.live(),
      ready: () => this.ready(),
      metrics: async () =>
        prometheusText([await this.metrics()], await readBroker(this.params, this.params.queues())),
    });
    logger.info({ host: health.host, port: this.port }, 'health endpoint listening');
  }

  /** Counts an ended attempt. */
  ended(delivery: Delivery, { outcome, task, runtimeMs }: Execution): void {
    if (this.#metrics === undefined) return;
    if (delivery.woken !== undefined) this.#metrics.woken(task?.name ?? UNKNOWN_TASK);
    const state = STATES[outcome.kind];
    if (state !== undefined)
      this.#metrics.ended(task?.name ?? UNKNOWN_TASK, state, runtimeMs, this.#waitedMs(delivery, runtimeMs));
  }

  async live(): Promise<Verdict> {
    if (this.params.stalledForMs() < HOPELESS_MS || !(await this.#watch.answers(PROBE_MS)))
      return { ok: true };
    return { ok: false, why: `no queue polled for ${seconds(this.params.stalledForMs())}` };
  }

  async ready(): Promise<Verdict> {
    const { idle, stalledForMs, engine } = this.params;
    const why = idle();
    if (why !== undefined) return { ok: false, why };
    if (!(await this.#watch.answers()))
      return { ok: false, why: `the broker at ${engine.address} does not answer` };
    if (stalledForMs() > 0)
      return {
        ok: false,
        why: `no queue polled for ${seconds(stalledForMs())} longer than usual`,
      };
    return { ok: true };
  }

  /** Names of the broker's queues that it consumes. */
  queues(): readonly string[] {
    return this.params.queues();
  }

  /** Number of tasks that may run at once. */
  get concurrency(): number {
    return this.params.concurrency();
  }

  /** The metrics this worker counted. */
  async metrics(): Promise<MetricsJson> {
    return (await this.#metrics?.json()) ?? [];
  }

  close(): void {
    this.#server?.close();
  }

  /** How long a first attempt waited; later attempts waited on purpose. */
  #waitedMs(delivery: Delivery, runtimeMs: number): number | undefined {
    const { sentAt, message } = delivery;
    if (startsOf(delivery) !== 1) return undefined;
    const startedAt = this.params.clock.now() - runtimeMs;
    return Math.max(0, startedAt - Math.max(sentAt, message.eta ?? 0));
  }
}

/** How each outcome is counted; the other outcomes end nothing. */
const STATES: { readonly [K in Outcome['kind']]?: EndState } = {
  success: 'SUCCESS',
  failure: 'FAILURE',
  retry: 'RETRY',
  wait: 'WAITING',
  revoked: 'REVOKED',
  ignore: 'IGNORED',
};

/** What reading from the broker needs. */
interface BrokerReading {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly outbox?: WorkerOutbox;
}

/** What the broker adds to the metrics of a worker that consumes these queues; little while it is away. */
export async function readBroker(reading: BrokerReading, queues: readonly string[]): Promise<BrokerMetrics> {
  const { engine, clock, outbox } = reading;
  const [depths, inOutbox, waiting] = await Promise.all([
    readDepths(reading, queues),
    readOutbox(outbox),
    within(
      countWaiting(engine, clock, PATIENCE_MS / 2).catch(() => undefined), // `/ready` reports outages
      undefined,
      PATIENCE_MS,
    ),
  ]);
  return { queues: depths, outbox: inOutbox, waiting };
}

/** Depths of the queues; empty while the broker is away. */
async function readDepths(
  { engine, clock }: BrokerReading,
  queues: readonly string[],
): Promise<QueueDepth[]> {
  const read = readQueueStates(engine, queues).catch(() => []); // `/ready` reports outages
  return (await within(read, [], PATIENCE_MS)).map(({ queue, counts, oldestDueAt }) => ({
    queue,
    counts,
    oldestMs: oldestDueAt === undefined ? 0 : Math.max(0, clock.now() - oldestDueAt),
  }));
}

/** What waits in the outbox; nothing without one, and while its database is away. */
async function readOutbox(outbox: WorkerOutbox | undefined): Promise<OutboxDepth | undefined> {
  if (outbox?.configured !== true) return undefined;
  return within(
    outbox.counts().catch(() => undefined), // the relay reports outages
    undefined,
    PATIENCE_MS,
  );
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
