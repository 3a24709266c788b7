/**
 * What a live view knows of the fleet: made of its events alone, and bounded however many there are. Pure.
 */
import type { AppEvent, EventMap, FleetEvent } from '../../events/names.js';

export interface WorkerRow {
  readonly node: string;
  readonly active: number;
  readonly concurrency: number;
  readonly processed: number;
  readonly queues: readonly string[];
  readonly load: number;
  /** When it was heard of last, by the clock of whoever watches. */
  readonly seenAt: number;
  readonly gone: boolean;
}

export interface RunningRow {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly since: number;
  /** The state it gave itself last. */
  readonly state: string | undefined;
}

export interface FailedRow {
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

/** Silent for three heartbeats and a little: gone without a word. */
const SILENT_BEATS = 3.5;
/** Ended tasks a second are counted over this long. */
const RATE_MS = 10_000;
/** A page that is left open for days is not to fill up with workers of old deploys. */
const FORGOTTEN_MS = 300_000;
/** Until a worker says how often it is heard. */
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
/** Told elsewhere on the page, or with the next event: they would push out what is rare. */
const COMMON: ReadonlySet<string> = new Set(['worker-heartbeat', 'task-received', 'task-progress']);
const ENDS: ReadonlySet<string> = new Set(['task-succeeded', 'task-failed', 'task-retried', 'task-revoked']);

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
  /** Every worker has said what runs. */
  #asked = false;
  /** Workers are still being asked: a task that ends meanwhile may be in an answer all the same. */
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
    else if (isOfWorker(event)) this.#worker(event, now);
    else this.#task(event, now);
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
   * How many tasks run. The list has those that began while it was watched or that a worker named when asked; before
   * that, and once events were missed, the workers' own counts tell of more.
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

  /** What a worker answered when it was asked, at the opening: what it runs began before anything was heard of it. */
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

  /** All who are there have answered, or will not. */
  knowsAll(all: boolean): void {
    this.#asked = all;
    this.#endedEarly.clear();
    this.#opening = false;
  }

  /** Newest first; without heartbeats, progress and `task-received`. */
  recent(): readonly FleetEvent[] {
    return this.#recent;
  }

  /** The last failures, newest first, however much else has happened since. */
  failed(): readonly FailedRow[] {
    return this.#failed;
  }

  /** How long every worker has been silent, where none of them left: then rather the broker is away. */
  silentMs(now: number): number | undefined {
    const rows = [...this.#workers.values()].map(({ row }) => row).filter((row) => !row.gone);
    if (rows.length === 0 || !rows.every(({ node }) => this.#isGone(node, now))) return undefined;
    return now - Math.max(...rows.map(({ seenAt }) => seenAt));
  }

  /** Ended tasks a second, of late. */
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
    // A task whose end was among lost events would be shown as running for ever.
    const idle = gone ? now : active === 0 ? now - 2 * freq : Number.NEGATIVE_INFINITY;
    for (const { id, since } of this.#ofNode(node)) if (since <= idle) this.#running.delete(id);
    if (this.#workers.size >= MOST_WORKERS && !this.#workers.has(node)) return;
    const row = { node, active, concurrency, processed, queues, load: loadavg[0] ?? 0, seenAt: now, gone };
    this.#workers.set(node, { row, freq });
  }

  #task(event: Exclude<AppEvent, WorkerEvent>, now: number): void {
    const { id } = event;
    const name = event.shadow ?? event.name;
    if (event.type === 'task-started' && this.#running.size < MOST_RUNNING)
      this.#running.set(id, { id, name, node: event.node, since: now, state: undefined });
    const runs = this.#running.get(id);
    if (event.type === 'task-progress' && runs !== undefined)
      this.#running.set(id, { ...runs, state: progressText(event) });
    if (event.type === 'task-failed') {
      this.#failed.unshift({ name, exception: event.exception, at: event.timestamp });
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
