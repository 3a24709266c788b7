/**
 * What a listener makes of the fleet's events: rates, points of charts, and figures by task and by queue. Bounded for any
 * number of them. Reads no clock.
 */
import { type AppEvent, STATE_AFTER } from '../../events/names.js';
import { FAILURE, SUCCESS } from '../../states.js';
import type { Rates, SeriesPoint, TaskSummary } from '../api.js';
import { Samples } from './samples.js';

/** What is counted. */
export type Counted = keyof Rates;

type Counts = Record<Counted, number>;

/** What was seen of the tasks of a name. */
export type TaskFigures = Pick<TaskSummary, 'counts' | 'p50' | 'p95' | 'failureRate' | 'lastError'> & {
  readonly queues: readonly string[];
};

interface TaskTally {
  readonly counts: Map<string, number>;
  readonly queues: Set<string>;
  readonly runtimes: Samples;
  lastError: TaskSummary['lastError'];
}

interface QueueTally {
  /** Ended, by second. */
  readonly ended: Map<number, number>;
  readonly waits: Samples;
}

/** A point of a chart, ms. */
export const POINT_MS = 5_000;
/** The span over which rates are computed, ms. */
const RATE_MS = 10_000;
const MOST_TASKS = 1_000;
const MOST_QUEUES = 1_000;
const MOST_QUEUES_OF_TASK = 20;

const COUNTED: ReadonlyMap<string, Counted> = new Map<string, Counted>([
  ['task-sent', 'sent'],
  ['task-started', 'started'],
  ['task-succeeded', 'succeeded'],
  ['task-failed', 'failed'],
  ['task-retried', 'retried'],
]);

export class Statistics {
  readonly #seconds = new Map<number, Counts>();
  readonly #tasks = new Map<string, TaskTally>();
  readonly #queues = new Map<string, QueueTally>();
  readonly #points: SeriesPoint[] = [];
  readonly #runtimes = new Samples(2_000);
  readonly #waits = new Samples(2_000);
  #counts = none();
  /** The beginning of the point that is not over, epoch ms. */
  #pointAt: number;

  /**
   * @param since when listening began, epoch ms
   * @param most points that are kept
   */
  constructor(
    readonly since: number,
    private readonly most: number,
    earlier: readonly SeriesPoint[] = [],
  ) {
    this.#points.push(...earlier.slice(-most));
    this.#pointAt = since - (since % POINT_MS);
  }

  /** Puts earlier points before those that there are. */
  prepend(points: readonly SeriesPoint[]): void {
    this.#points.unshift(...points);
    this.#points.splice(0, this.#points.length - this.most);
  }

  /** Takes an event. @param now epoch ms, by the listener's clock */
  take(event: AppEvent, now: number): void {
    if (!('id' in event)) return;
    const counted = COUNTED.get(event.type);
    if (counted !== undefined) {
      this.#counts[counted]++;
      this.#second(now)[counted]++;
    }
    const task = this.#task(event.name);
    if (task !== undefined) note(task, event);
    const queue = this.#queue(event.queue);
    if (event.type === 'task-received' && event.retries === 0) {
      const wait = Math.max(0, event.timestamp - Math.max(event.sentAt, event.eta ?? 0));
      this.#waits.add(wait);
      queue?.waits.add(wait);
    }
    if (event.type === 'task-succeeded' || event.type === 'task-failed') {
      this.#runtimes.add(event.runtime);
      const second = Math.floor(now / 1000);
      queue?.ended.set(second, (queue.ended.get(second) ?? 0) + 1);
    }
  }

  /** Closes the points that are over by now. @returns those closed by this call */
  tick(now: number): readonly SeriesPoint[] {
    const closed: SeriesPoint[] = [];
    while (this.#pointAt + POINT_MS <= now) {
      // After a long sleep of the machine there is nothing to show for the time between.
      if (now - this.#pointAt > this.most * POINT_MS) this.#pointAt = now - (now % POINT_MS) - POINT_MS;
      closed.push(this.#close());
      this.#pointAt += POINT_MS;
    }
    const oldest = Math.floor((now - RATE_MS) / 1000) - 1;
    for (const second of this.#seconds.keys()) if (second < oldest) this.#seconds.delete(second);
    for (const { ended } of this.#queues.values())
      for (const second of ended.keys()) if (second < oldest) ended.delete(second);
    this.#points.push(...closed);
    this.#points.splice(0, this.#points.length - this.most);
    return closed;
  }

  /** The points, oldest first. */
  get series(): readonly SeriesPoint[] {
    return this.#points;
  }

  /** Events per second, lately. */
  rates(now: number): Rates {
    const sum = none();
    for (const [second, counts] of this.#seconds)
      if (second * 1000 > now - RATE_MS) for (const name of COUNTED.values()) sum[name] += counts[name];
    const seconds = this.#span(now) / 1000;
    for (const name of COUNTED.values()) sum[name] = Math.round((sum[name] / seconds) * 100) / 100;
    return sum;
  }

  /** The names of tasks that were seen. */
  taskNames(): string[] {
    return [...this.#tasks.keys()];
  }

  task(name: string): TaskFigures | undefined {
    const tally = this.#tasks.get(name);
    if (tally === undefined) return undefined;
    const { counts, runtimes, lastError, queues } = tally;
    const failed = counts.get(FAILURE) ?? 0;
    const ended = failed + (counts.get(SUCCESS) ?? 0);
    return {
      counts: Object.fromEntries(counts),
      queues: [...queues],
      p50: runtimes.percentile(0.5),
      p95: runtimes.percentile(0.95),
      failureRate: ended === 0 ? null : failed / ended,
      lastError,
    };
  }

  /** Ended per second, and half of the waits are shorter than `latency`. */
  queue(name: string, now: number): { readonly rate: number; readonly latency: number | null } {
    const tally = this.#queues.get(name);
    if (tally === undefined) return { rate: 0, latency: null };
    let ended = 0;
    for (const [second, count] of tally.ended) if (second * 1000 > now - RATE_MS) ended += count;
    const rate = Math.round((ended / (this.#span(now) / 1000)) * 100) / 100;
    return { rate, latency: tally.waits.percentile(0.5) };
  }

  /** How long rates have been listened to, at least a second. */
  #span(now: number): number {
    return Math.min(RATE_MS, Math.max(1_000, now - this.since));
  }

  #close(): SeriesPoint {
    const point = {
      at: new Date(this.#pointAt).toISOString(),
      ...this.#counts,
      runtimeP50: this.#runtimes.percentile(0.5),
      runtimeP95: this.#runtimes.percentile(0.95),
      waitP50: this.#waits.percentile(0.5),
      waitP95: this.#waits.percentile(0.95),
    };
    this.#counts = none();
    this.#runtimes.clear();
    this.#waits.clear();
    return point;
  }

  #second(now: number): Counts {
    const second = Math.floor(now / 1000);
    const counts = this.#seconds.get(second) ?? none();
    this.#seconds.set(second, counts);
    return counts;
  }

  #task(name: string): TaskTally | undefined {
    const known = this.#tasks.get(name);
    if (known !== undefined || this.#tasks.size >= MOST_TASKS) return known;
    const tally = {
      counts: new Map(),
      queues: new Set<string>(),
      runtimes: new Samples(500),
      lastError: null,
    };
    this.#tasks.set(name, tally);
    return tally;
  }

  #queue(name: string): QueueTally | undefined {
    const known = this.#queues.get(name);
    if (known !== undefined || this.#queues.size >= MOST_QUEUES) return known;
    const tally = { ended: new Map(), waits: new Samples(200) };
    this.#queues.set(name, tally);
    return tally;
  }
}

function note(task: TaskTally, event: Extract<AppEvent, { id: string }>): void {
  const state = STATE_AFTER.get(event.type);
  if (state !== undefined) task.counts.set(state, (task.counts.get(state) ?? 0) + 1);
  if (task.queues.size < MOST_QUEUES_OF_TASK) task.queues.add(event.queue);
  if (event.type === 'task-succeeded' || event.type === 'task-failed') task.runtimes.add(event.runtime);
  if (event.type !== 'task-failed') return;
  const [, name = 'Error', message = event.exception] = /^([\w$.]+): ([\s\S]*)$/.exec(event.exception) ?? [];
  task.lastError = { name, message, at: new Date(event.timestamp).toISOString(), id: event.id };
}

function none(): Counts {
  return { sent: 0, started: 0, succeeded: 0, failed: 0, retried: 0 };
}
