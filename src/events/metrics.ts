/**
 * The Prometheus metrics of a worker: counters and histograms of its tasks, gauges of itself. Created only for a
 * worker with `health`; only then is prom-client loaded.
 */
import type { Counter, Histogram, Registry } from 'prom-client';
import { loadPackage } from '../package-loading.js';
import promClient from './prom-client.cjs';

/** How a task ended, as in the label `state`; RETRY ends only an attempt, WAITING a stretch of one. */
export type EndState = 'SUCCESS' | 'FAILURE' | 'RETRY' | 'WAITING' | 'REVOKED' | 'IGNORED';

/** What the metrics read from a worker on each scrape. */
export interface MetricsSource {
  /** Number of running tasks. */
  running(): number;
  /** Number of tasks that may run at once. */
  concurrency(): number;
  /** The slots, and how many of them are taken. */
  slots(): { readonly size: number; readonly used: number; readonly free: number };
  /** The streams of its tasks; absent where none are written. */
  readonly streams?: { readonly openStreams: number; readonly chunks: number } | undefined;
}

/** Depth of a queue. */
export interface QueueDepth {
  readonly queue: string;
  /** Jobs by state. */
  readonly counts: Readonly<Record<string, number>>;
  /** How long the next task in line has been due, ms; 0 if none waits. */
  readonly oldestMs: number;
}

/** What waits in an outbox. */
export interface OutboxDepth {
  readonly waiting: number;
  readonly setAside: number;
  /** How long the oldest waiting call has waited, ms; 0 if none waits. */
  readonly oldestMs: number;
}

/** Metrics that can be posted between processes: prom-client's JSON. */
export type MetricsJson = readonly object[];

/** In seconds, from quick to long: tasks may be anything. */
const RUNTIME_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const WAIT_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200];

export class Metrics {
  private constructor(
    private readonly registry: Registry,
    private readonly tasks: Counter<'task' | 'state'>,
    private readonly runtime: Histogram<'task'>,
    private readonly wait: Histogram<'task'>,
    private readonly wakings: Counter<'task'>,
  ) {}

  static async open(source: MetricsSource): Promise<Metrics> {
    const { Counter, Gauge, Histogram, Registry } = loadPackage(promClient.load);
    const registry = new Registry();
    const registers = [registry];
    const tasks = new Counter({
      name: 'celeriac_tasks_total',
      help: 'Ended attempts by task and state.',
      labelNames: ['task', 'state'] as const,
      registers,
    });
    const runtime = new Histogram({
      name: 'celeriac_task_runtime_seconds',
      help: 'How long attempts ran.',
      labelNames: ['task'] as const,
      buckets: RUNTIME_BUCKETS,
      registers,
    });
    const wait = new Histogram({
      name: 'celeriac_task_queue_wait_seconds',
      help: 'How long tasks waited from when they were due to their first start.',
      labelNames: ['task'] as const,
      buckets: WAIT_BUCKETS,
      registers,
    });
    const wakings = new Counter({
      name: 'celeriac_task_wakings_total',
      help: 'Tasks that went on after a sleep or a wait: each ends what state WAITING of celeriac_tasks_total has counted.',
      labelNames: ['task'] as const,
      registers,
    });
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    gauge('celeriac_tasks_running', 'Tasks that run now.', () => source.running());
    gauge('celeriac_worker_concurrency', 'Tasks that may run at once.', () => source.concurrency());
    gauge('celeriac_slots_size', 'Places for tasks.', () => source.slots().size);
    gauge('celeriac_slots_used', 'Places that are taken.', () => source.slots().used);
    gauge('celeriac_slots_free', 'Places that are free.', () => source.slots().free);
    gauge('celeriac_streams_open', 'Running tasks that stream.', () => source.streams?.openStreams ?? 0);
    let counted = 0;
    new Counter({
      name: 'celeriac_stream_chunks_total',
      help: 'Chunks that tasks have sent.',
      registers,
      collect() {
        const chunks = source.streams?.chunks ?? 0;
        this.inc(chunks - counted);
        counted = chunks;
      },
    });
    gauge('celeriac_workers', 'Processes that run tasks.', () => 1);
    return new Metrics(registry, tasks, runtime, wait, wakings);
  }

  /**
   * Counts an ended attempt.
   * @param waitedMs from due to start, for a first attempt
   */
  ended(task: string, state: EndState, runtimeMs: number, waitedMs: number | undefined): void {
    this.tasks.inc({ task, state });
    this.runtime.observe({ task }, runtimeMs / 1000);
    if (waitedMs !== undefined) this.wait.observe({ task }, waitedMs / 1000);
  }

  /** Counts a task that goes on after a sleep or a wait. */
  woken(task: string): void {
    this.wakings.inc({ task });
  }

  async json(): Promise<MetricsJson> {
    return this.registry.getMetricsAsJSON();
  }
}

/** What a worker reads from its broker on each scrape. */
export interface BrokerMetrics {
  readonly queues: readonly QueueDepth[];
  readonly outbox?: OutboxDepth | undefined;
  /** Tasks that sleep or wait for a value, by queue; queues without any are absent. `undefined`: not known. */
  readonly waiting?: Readonly<Record<string, number>> | undefined;
}

/** The text that Prometheus reads: the sums over all processes of a worker, and what is in the broker. */
export async function prometheusText(
  parts: readonly MetricsJson[],
  { queues, outbox, waiting }: BrokerMetrics,
): Promise<string> {
  const { AggregatorRegistry, Gauge } = loadPackage(promClient.load);
  const registry = AggregatorRegistry.aggregate(parts.map((part) => [...part]));
  const registers = [registry];
  const depth = new Gauge({
    name: 'celeriac_queue_depth',
    help: 'Tasks in a queue by state, over the whole fleet: take the maximum over workers, not the sum.',
    labelNames: ['queue', 'state'] as const,
    registers,
  });
  const oldest = new Gauge({
    name: 'celeriac_queue_oldest_waiting_seconds',
    help: 'How long the task that is next in line has been due.',
    labelNames: ['queue'] as const,
    registers,
  });
  for (const { queue, counts, oldestMs } of queues) {
    for (const [state, count] of Object.entries(counts)) depth.set({ queue, state }, count);
    oldest.set({ queue }, oldestMs / 1000);
  }
  if (waiting !== undefined) {
    const tasks = new Gauge({
      name: 'celeriac_tasks_waiting',
      help: 'Tasks that sleep or wait for a value, over the whole fleet: take the maximum over workers, not the sum.',
      labelNames: ['queue'] as const,
      registers,
    });
    for (const { queue } of queues) tasks.set({ queue }, 0);
    for (const [queue, count] of Object.entries(waiting)) tasks.set({ queue }, count);
  }
  if (outbox !== undefined) {
    const gauge = (name: string, help: string, value: number) =>
      new Gauge({ name: `celeriac_outbox_${name}`, help, registers }).set(value);
    const fleet = 'the same from every worker: take the maximum, not the sum.';
    gauge('waiting', `Committed calls that are not sent yet, ${fleet}`, outbox.waiting);
    gauge('set_aside', `Calls of the outbox that could not be sent, ${fleet}`, outbox.setAside);
    gauge('oldest_waiting_seconds', 'How long the oldest waiting call has waited.', outbox.oldestMs / 1000);
  }
  return registry.metrics();
}

/** The metrics to keep of an ended process: a falling counter would look like a restart to Prometheus. */
export async function lasting(parts: readonly MetricsJson[]): Promise<MetricsJson> {
  const { AggregatorRegistry } = loadPackage(promClient.load);
  const counts = parts.map((part) => part.filter((metric) => Reflect.get(metric, 'type') !== 'gauge'));
  return AggregatorRegistry.aggregate(counts).getMetricsAsJSON();
}
