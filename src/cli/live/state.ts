/**
 * The live view's model of the fleet: built from its events, and bounded for any number of them. Pure.
 */
import type { AppEvent, EventMap, FleetEvent } from '../../events/names.js';

export interface WorkerRow {
  readonly node: string;
  readonly active: number;
  readonly concurrency: number;
  readonly processed: number;
  readonly queues: readonly string[];
  readonly load: number;
  /** When its last event arrived, by the watcher's clock. */
  readonly seenAt: number;
  readonly gone: boolean;
}

export interface RunningRow {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly since: number;
  /** The last state it set by `updateState`. */
  readonly state: string | undefined;
}

export interface FailedRow {
  readonly id: string;
  readonly name: string;
  readonly exception: string;
  /** The broker's clock, epoch ms. */
  readonly at: number;
}

/** A worker's answers to `stats` and `active`. */
export interface KnownWorker {
  readonly node: string;
  readonly stats:
    | {
        readonly concurrency: number;
        readonly running: number;
        readonly processed: Readonly<Record<string, number>>;
        readonly queues: readonly { readonly name: string }[];
      }
    | undefined;
  readonly active: readonly { readonly id: string; readonly name: string; readonly startedAt?: string }[];
}

/** What is counted. */
export type Tally = 'sent' | 'succeeded' | 'failed' | 'retried' | 'revoked';

type WorkerEvent = EventMap['worker-online' | 'worker-heartbeat' | 'worker-offline'];

/** After this many silent heartbeats a worker counts as vanished. */
const SILENT_BEATS = 3.5;
/** The period over which the rate of ended tasks is computed. */
const RATE_MS = 10_000;
/** A page that stays open for days must not fill up with workers of old deploys. */
const FORGOTTEN_MS = 300_000;
/** Assumed until a worker reports its own interval. */
const HEARTBEAT_MS = 2000;
const MOST_RECENT = 200;
const MOST_FAILED = 50;
const MOST_RUNNING = 5_000;
const MOST_WORKERS = 1_000;

const TALLIES: ReadonlyMap<string, Tally> = new Map(
  Object.entries({
    'task-sent': 'sent',
    'task-succeeded': 'succeeded',
    'task-failed': 'failed',
    'task-retried': 'retried',
    'task-revoked': 'revoked',
  }),
);
/** Events that the page shows elsewhere, or that the next event repeats: they would push out rare ones. */
const COMMON: ReadonlySet<string> = new Set(['worker-heartbeat', 'task-received', 'task-progress']);
const ENDS: ReadonlySet<string> = new Set([
  'task-succeeded',
  'task-failed',
  'task-retried',
  'task-waiting',
  'task-revoked',
]);

export class FleetState {
  readonly tallies: Record<Tally, number> = { sent: 0, succeeded: 0, failed: 0, retried: 0, revoked: 0 };
  lost = 0;
  readonly #workers = new Map<string, { row: WorkerRow; freq: number }>();
  readonly #running = new Map<string, RunningRow>();
  readonly #recent: FleetEvent[] = [];
  readonly #failed: FailedRow[] = [];
  /** Ended tasks by second. */
  readonly #ended = new Map<number, number>();
  readonly #startedAt: number;
  /** Every worker has reported its running tasks. */
  #asked = false;
  /** Workers are still being asked: an answer may still contain a task that ends meanwhile. */
  #opening = true;
  readonly #endedEarly = new Set<string>();

  constructor(now: number) {
    this.#startedAt = now;
  }

  /** @param now the watcher's clock, epoch ms */
  take(event: FleetEvent, now: number): void {
    const tally = TALLIES.get(event.type);
    if (tally !== undefined) this.tallies[tally]++;
    if (event.type === 'events-lost') this.lost += event.count;
    else if (event.type === 'worker-lost') this.#lose(event.node);
    else if (isOfWorker(event)) this.#worker(event, now);
    else if ('id' in event) this.#task(event, now);
    if (COMMON.has(event.type)) return;
    this.#recent.unshift(event);
    if (this.#recent.length > MOST_RECENT) this.#recent.pop();
  }

  /** Living ones first, then by name. */
  workers(now: number): WorkerRow[] {
    for (const [node, { row }] of this.#workers)
      if (now - row.seenAt > FORGOTTEN_MS) this.#workers.delete(node);
    return [...this.#workers.values()]
      .map(({ row }) => ({ ...row, gone: this.#isGone(row.node, now) }))
      .sort((a, b) => Number(a.gone) - Number(b.gone) || (a.node < b.node ? -1 : 1));
  }

  /** Longest first. Tasks of a vanished worker are hidden; they reappear when another worker starts them. */
  running(now: number): RunningRow[] {
    return [...this.#running.values()]
      .filter(({ node }) => !this.#isGone(node, now))
      .sort((a, b) => a.since - b.since);
  }

  /**
   * How many tasks run. The list has the tasks that started while the page watched, and those that a worker named when
   * asked. Before the answers, and after missed events, the workers' own counts may be higher.
   */
  runningCount(now: number): number {
    const listed = this.running(now).length;
    if (this.#asked && this.lost === 0 && this.#running.size < MOST_RUNNING) return listed;
    const living = this.workers(now).filter(({ gone }) => !gone);
    return Math.max(
      listed,
      living.reduce((sum, row) => sum + row.active, 0),
    );
  }

  /** Takes a worker's answers at the opening of the page: its running tasks started before the page watched. */
  know({ node, stats, active }: KnownWorker, now: number): void {
    for (const { id, name, startedAt } of active) {
      if (this.#running.has(id) || this.#endedEarly.has(id) || this.#running.size >= MOST_RUNNING) continue;
      const since = Math.min(now, Date.parse(startedAt ?? '') || now);
      this.#running.set(id, { id, name, node, since, state: undefined });
    }
    if (stats === undefined || this.#workers.has(node) || this.#workers.size >= MOST_WORKERS) return;
    const { concurrency, processed, queues, running } = stats;
    const done = Object.values(processed).reduce((sum, count) => sum + count, 0);
    const names = queues.map(({ name }) => name);
    const row = {
      node,
      active: running,
      concurrency,
      processed: done,
      queues: names,
      load: 0,
      seenAt: now,
      gone: false,
    };
    this.#workers.set(node, { row, freq: HEARTBEAT_MS });
  }

  /** Takes failures from before the opening, newest first. */
  knowFailed(rows: readonly FailedRow[]): void {
    const seen = new Set(this.#failed.map(({ id }) => id));
    this.#failed.push(...rows.filter(({ id }) => !seen.has(id)).slice(0, MOST_FAILED - this.#failed.length));
  }

  /** Ends the opening; `all` is true if every live worker has answered. */
  knowsAll(all: boolean): void {
    this.#asked = all;
    this.#endedEarly.clear();
    this.#opening = false;
  }

  /** Newest first; without heartbeats, progress and `task-received`. */
  recent(): readonly FleetEvent[] {
    return this.#recent;
  }

  /** The last failures, newest first, independent of later events. */
  failed(): readonly FailedRow[] {
    return this.#failed;
  }

  /** How long all workers have been silent, if none of them left: then the broker is probably away. */
  silentMs(now: number): number | undefined {
    const rows = [...this.#workers.values()].map(({ row }) => row).filter((row) => !row.gone);
    if (rows.length === 0 || !rows.every(({ node }) => this.#isGone(node, now))) return undefined;
    return now - Math.max(...rows.map(({ seenAt }) => seenAt));
  }

  /** Ended tasks per second, lately. */
  rate(now: number): number {
    const from = now - RATE_MS;
    let count = 0;
    for (const [second, ended] of this.#ended) {
      if (second * 1000 < from - 1000) this.#ended.delete(second);
      else count += ended;
    }
    const watchedMs = Math.min(RATE_MS, Math.max(1000, now - this.#startedAt));
    return (count * 1000) / watchedMs;
  }

  #worker(event: WorkerEvent, now: number): void {
    const { node, active, concurrency, processed, queues, loadavg, freq } = event;
    const gone = event.type === 'worker-offline';
    // Otherwise a task whose end event was lost would be shown as running for ever.
    const idle = gone ? now : active === 0 ? now - 2 * freq : Number.NEGATIVE_INFINITY;
    for (const { id, since } of this.#ofNode(node)) if (since <= idle) this.#running.delete(id);
    if (this.#workers.size >= MOST_WORKERS && !this.#workers.has(node)) return;
    const row = { node, active, concurrency, processed, queues, load: loadavg[0] ?? 0, seenAt: now, gone };
    this.#workers.set(node, { row, freq });
  }

  #lose(node: string): void {
    const known = this.#workers.get(node);
    if (known !== undefined) this.#workers.set(node, { ...known, row: { ...known.row, gone: true } });
  }

  #task(event: Extract<AppEvent, { readonly id: string }>, now: number): void {
    const { id } = event;
    const name = event.shadow ?? event.name;
    if (event.type === 'task-started' && this.#running.size < MOST_RUNNING)
      this.#running.set(id, { id, name, node: event.node, since: now, state: undefined });
    const runs = this.#running.get(id);
    if (event.type === 'task-progress' && runs !== undefined)
      this.#running.set(id, { ...runs, state: progressText(event) });
    if (event.type === 'task-failed') {
      this.#failed.unshift({ id, name, exception: event.exception, at: event.timestamp });
      if (this.#failed.length > MOST_FAILED) this.#failed.pop();
    }
    if (event.type === 'task-rejected') this.#running.delete(id);
    if (!ENDS.has(event.type)) return;
    this.#running.delete(id);
    if (this.#opening && this.#endedEarly.size < MOST_RUNNING) this.#endedEarly.add(id);
    const second = Math.floor(now / 1000);
    this.#ended.set(second, (this.#ended.get(second) ?? 0) + 1);
  }

  #isGone(node: string, now: number): boolean {
    const known = this.#workers.get(node);
    return known !== undefined && (known.row.gone || now - known.row.seenAt > known.freq * SILENT_BEATS);
  }

  #ofNode(node: string): RunningRow[] {
    return [...this.#running.values()].filter((row) => row.node === node);
  }
}

function isOfWorker(event: AppEvent): event is WorkerEvent {
  return event.type.startsWith('worker-');
}

function progressText({ state, meta }: EventMap['task-progress']): string {
  return meta === undefined || meta === null ? state : `${state} ${JSON.stringify(meta)}`;
}
