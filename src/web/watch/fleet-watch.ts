/**
 * The one listener of a process to the fleet: it listens while somebody looks, and a moment longer, so that a page that is
 * reloaded goes on where it was. Without anybody it does nothing, and the broker sees nothing of it.
 */
import type { Celeriac } from '../../app.js';
import type { EventMap, FleetEvent } from '../../events/names.js';
import type { SeriesPoint } from '../api.js';
import { Statistics } from './statistics.js';
import { WorkerRoll } from './worker-roll.js';

export interface WatchParams {
  readonly app: Pick<Celeriac, 'events'>;
  /** Listens from the beginning to the end. */
  readonly always: boolean;
  /** Points of charts that are kept. */
  readonly points: number;
  /** Called with points that are over. */
  onPoints(points: readonly SeriesPoint[]): void;
  onError(error: unknown): void;
  /** Epoch ms. */
  now(): number;
}

/** Called with each event, and once a second. */
export interface Onlooker {
  event(event: FleetEvent): void;
  second(now: number, closed: readonly SeriesPoint[]): void;
}

/** How long it listens after the last one has left, ms. */
const LINGER_MS = 10_000;
/** Pauses between attempts to listen while the broker is away, ms. */
const AGAIN_MS = 2_000;

export class FleetWatch {
  readonly workers = new WorkerRoll();
  readonly #onlookers = new Set<Onlooker>();
  #statistics: Statistics | undefined;
  #stop: AbortController | undefined;
  #leaving: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(private readonly params: WatchParams) {
    if (params.always) this.#begin();
  }

  /** What was seen since it began to listen; undefined before. */
  get statistics(): Statistics | undefined {
    return this.#statistics;
  }

  /** Puts points of earlier processes before those of this one, oldest first. */
  remember(points: readonly SeriesPoint[]): void {
    this.#statistics?.prepend(points);
  }

  /** Whether it listens. */
  get listening(): boolean {
    return this.#stop !== undefined;
  }

  /** Looks on until the returned function is called. */
  look(onlooker: Onlooker): () => void {
    clearTimeout(this.#leaving);
    this.#onlookers.add(onlooker);
    this.#begin();
    return () => {
      if (!this.#onlookers.delete(onlooker) || this.#onlookers.size > 0 || this.params.always) return;
      clearTimeout(this.#leaving);
      this.#leaving = setTimeout(() => this.#end(), LINGER_MS).unref();
    };
  }

  close(): void {
    this.#closed = true;
    this.#onlookers.clear();
    this.#end();
  }

  #begin(): void {
    if (this.#closed || this.#stop !== undefined) return;
    const stop = new AbortController();
    this.#stop = stop;
    const { points, now } = this.params;
    this.#statistics = new Statistics(now(), points, this.#statistics?.series);
    this.#ticking = setInterval(() => this.#second(), 1_000).unref();
    void this.#listen(stop.signal);
  }

  #end(): void {
    clearTimeout(this.#leaving);
    clearTimeout(this.#again);
    clearInterval(this.#ticking);
    this.#stop?.abort();
    this.#stop = undefined;
    this.workers.clear();
  }

  /** Listens until it is ended; again and again while the broker is away. */
  async #listen(signal: AbortSignal): Promise<void> {
    try {
      for await (const event of this.params.app.events({ signal })) this.#take(event);
    } catch (error) {
      if (!signal.aborted) this.params.onError(error);
    }
    if (!signal.aborted && !this.#closed)
      this.#again = setTimeout(() => void this.#listen(signal), AGAIN_MS).unref();
  }

  #take(event: FleetEvent): void {
    const now = this.params.now();
    if (event.type !== 'events-lost') {
      this.#statistics?.take(event, now);
      if (event.type === 'worker-lost') this.workers.lose(event.node);
      else if (isOfWorker(event)) this.workers.take(event, now);
    }
    for (const onlooker of this.#onlookers) onlooker.event(event);
  }

  #second(): void {
    const now = this.params.now();
    const closed = this.#statistics?.tick(now) ?? [];
    if (closed.length > 0) this.params.onPoints(closed);
    for (const onlooker of this.#onlookers) onlooker.second(now, closed);
  }
}

function isOfWorker(
  event: FleetEvent,
): event is EventMap['worker-online' | 'worker-heartbeat' | 'worker-offline'] {
  return event.type.startsWith('worker-');
}
