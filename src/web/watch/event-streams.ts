/**
 * The open event streams of pages, over the one listener of the process. What happens is gathered for a moment and sent to
 * all of them at once: the tasks that changed as they are now, a worker or a queue that changed, and the rates of each
 * second. A page that does not read is cut off; it opens another stream by itself.
 */
import type { FleetEvent } from '../../events/names.js';
import type { Run, SeriesPoint } from '../api.js';
import { SAFE_HEADERS } from '../http/answers.js';
import type { FleetWatch, Onlooker } from './fleet-watch.js';

export interface StreamsParams {
  readonly watch: FleetWatch;
  /** The tasks of these ids, as they are now; those that are gone are left out. */
  read(changed: readonly ChangedTask[]): Promise<Run[]>;
  /** The queues of the app, with their sizes. */
  queues(): Promise<readonly { readonly name: string }[]>;
  onError(error: unknown): void;
}

/** A task that something happened to. */
export interface ChangedTask {
  readonly id: string;
  readonly queue: string;
}

/** How long changes of tasks are gathered, ms. */
const GATHER_MS = 250;
/** Tasks that are read at each time; of more, the latest. */
const MOST_CHANGED = 100;
const MOST_REMEMBERED = 1_000;
/** How often sizes of queues are read at most, seconds; seldom where reading them takes long. */
const QUEUES_EVERY = 2;
const BUSY_SHARE = 20;
const PING_EVERY = 15;
/** Bytes that wait for a page before it is cut off. */
const MOST_UNREAD = 4 * 2 ** 20;
/** Pages at a time. */
const MOST_PAGES = 500;

const COALESCED: ReadonlySet<string> = new Set([
  'worker-online',
  'worker-heartbeat',
  'worker-offline',
  'worker-lost',
]);

interface Page {
  send(text: string): void;
  end(): void;
}

export class EventStreams implements Onlooker {
  readonly #pages = new Set<Page>();
  readonly #changed = new Map<string, ChangedTask>();
  readonly #workers = new Set<string>();
  readonly #queues = new Map<string, string>();
  #leave: (() => void) | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #reading = false;
  #seconds = 0;
  #queuesAt = 0;

  constructor(private readonly params: StreamsParams) {}

  /** How many are open. */
  get size(): number {
    return this.#pages.size;
  }

  /** A new stream, until the request ends. */
  open(signal: AbortSignal): Response {
    let page: Page | undefined;
    const close = () => {
      signal.removeEventListener('abort', close);
      page?.end();
    };
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          page = {
            send: (text) => {
              if ((controller.desiredSize ?? 0) <= 0) return close();
              controller.enqueue(encoder.encode(text));
            },
            end: () => {
              if (page === undefined || !this.#pages.delete(page)) return;
              if (this.#pages.size === 0) this.#rest();
              controller.close();
            },
          };
          this.#add(page);
        },
        cancel: () => {
          if (page !== undefined && this.#pages.delete(page) && this.#pages.size === 0) this.#rest();
        },
      },
      { highWaterMark: MOST_UNREAD, size: (chunk) => chunk?.byteLength ?? 0 },
    );
    signal.addEventListener('abort', close, { once: true });
    if (signal.aborted) close();
    return new Response(body, {
      headers: {
        ...SAFE_HEADERS,
        'content-type': 'text/event-stream',
        'cache-control': 'no-store, no-transform',
        // Proxies of nginx's kind would gather what is meant for now.
        'x-accel-buffering': 'no',
      },
    });
  }

  /** Whether another page may open one. */
  get full(): boolean {
    return this.#pages.size >= MOST_PAGES;
  }

  close(): void {
    for (const page of [...this.#pages]) page.end();
  }

  event(event: FleetEvent): void {
    if (COALESCED.has(event.type) && 'node' in event && event.node !== undefined)
      this.#workers.add(event.node);
    if (!event.type.startsWith('task-') || !('id' in event)) return;
    // The latest last.
    this.#changed.delete(event.id);
    this.#changed.set(event.id, { id: event.id, queue: event.queue });
    if (this.#changed.size > MOST_REMEMBERED)
      for (const oldest of this.#changed.keys()) {
        this.#changed.delete(oldest);
        break;
      }
    this.#gathering ??= setTimeout(() => void this.#flush(), GATHER_MS).unref();
  }

  second(now: number, closed: readonly SeriesPoint[]): void {
    const { watch } = this.params;
    this.#seconds++;
    this.#sendAll('rates', {
      at: new Date(now).toISOString(),
      perSecond: watch.statistics?.rates(now),
      points: closed,
    });
    for (const node of this.#workers) this.#sendAll('worker', watch.workers.get(node, now) ?? { node });
    this.#workers.clear();
    if (this.#seconds % PING_EVERY === 0) for (const page of [...this.#pages]) page.send(': ping\n\n');
    if (this.#seconds >= this.#queuesAt) void this.#readQueues();
  }

  #add(page: Page): void {
    this.#pages.add(page);
    page.send('retry: 1000\n: hello\n\n');
    this.#leave ??= this.params.watch.look(this);
  }

  /** Nobody looks any more. */
  #rest(): void {
    this.#leave?.();
    this.#leave = undefined;
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#changed.clear();
    this.#workers.clear();
    this.#queues.clear();
    this.#queuesAt = 0;
    this.#seconds = 0;
  }

  async #flush(): Promise<void> {
    this.#gathering = undefined;
    if (this.#reading) {
      this.#gathering = setTimeout(() => void this.#flush(), GATHER_MS).unref();
      return;
    }
    const latest = [...this.#changed.values()].slice(-MOST_CHANGED);
    this.#changed.clear();
    this.#reading = true;
    try {
      for (const run of await this.params.read(latest)) this.#sendAll('run', run);
    } catch (error) {
      this.params.onError(error); // the page reads again when the broker is back
    } finally {
      this.#reading = false;
    }
  }

  async #readQueues(): Promise<void> {
    const begun = performance.now();
    this.#queuesAt = Number.POSITIVE_INFINITY;
    try {
      for (const queue of await this.params.queues()) {
        const text = JSON.stringify(queue);
        if (this.#queues.get(queue.name) !== text) this.#sendAll('queue', queue);
        this.#queues.set(queue.name, text);
      }
    } catch (error) {
      this.params.onError(error); // asked again below
    } finally {
      const took = (performance.now() - begun) / 1000;
      this.#queuesAt = this.#seconds + Math.max(QUEUES_EVERY, Math.ceil(took * BUSY_SHARE));
    }
  }

  #sendAll(event: string, data: unknown): void {
    const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    for (const page of [...this.#pages]) page.send(text);
  }
}
