/**
 * `app.fleet()`: a live picture of workers and tasks, kept from the fleet's events (Celery: `events.State`), for a bounded
 * number of both. It begins with what the workers answer about themselves, since events of the past are stored nowhere.
 */
import { isCeleriacError } from '../errors.js';
import { positiveInteger } from '../options/checks.js';
import { checkNames } from '../options/names.js';
import { sleep } from '../timers.js';
import type { Events } from './events.js';
import type { FleetSnapshot, FleetTask, FleetWorker } from './fleet-snapshot.js';
import { FleetTasks, type RunningTask } from './fleet-tasks.js';
import { FleetWorkers, type WorkerAnswer } from './fleet-workers.js';
import type { FleetEvent } from './names.js';

/** Options of `app.fleet()`. */
export interface FleetOptions {
  /** Most tasks that are kept: ended ones go first, those longest unchanged before others. Default: 10,000. */
  maxTasks?: number;
  /** Most workers that are kept. Default: 5,000. */
  maxWorkers?: number;
}

/** What the workers say when they are asked, by node. Nodes that do not answer have something else. */
export interface FleetAnswers {
  readonly stats: Readonly<Record<string, WorkerAnswer | object>>;
  readonly active: Readonly<Record<string, readonly RunningTask[] | object>>;
}

export interface FleetParams {
  readonly events: Pick<Events, 'stream'>;
  /** The broker's clock, epoch ms. */
  readonly clock: { now(): number };
  ask(): Promise<FleetAnswers>;
}

const MOST_TASKS = 10_000;
const MOST_WORKERS = 5_000;
/** Pause between attempts to listen while the broker is away, ms. */
const AGAIN_MS = 2_000;
/** After missed events the workers are asked again, once for all that are missed within this, ms. */
const ASK_AFTER_MS = 1_000;
/** Most names of events that are counted. */
const MOST_NAMES = 1_000;

export class Fleet implements AsyncDisposable {
  /**
   * Resolves when the picture is live and has what was there before, or when it is closed. Rejects when the broker could
   * not be reached at first; the picture goes on trying.
   */
  readonly ready: Promise<void>;
  readonly #params: FleetParams;
  readonly #tasks: FleetTasks;
  readonly #workers: FleetWorkers;
  readonly #counts = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #lost = 0;
  #complete = false;
  #asking: Promise<void> | undefined;
  #settleReady: (error?: unknown) => void = () => undefined;

  /** @throws {OptionError} for an invalid option */
  constructor(params: FleetParams, options: FleetOptions = {}) {
    checkNames(options, ['maxTasks', 'maxWorkers'], 'app.fleet');
    const { maxTasks = MOST_TASKS, maxWorkers = MOST_WORKERS } = options;
    this.#params = params;
    this.#tasks = new FleetTasks(positiveInteger(maxTasks, 'app.fleet: maxTasks'));
    this.#workers = new FleetWorkers(positiveInteger(maxWorkers, 'app.fleet: maxWorkers'));
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.ready.catch(() => undefined); // for those who do not wait for it
    this.#ended = this.#watch();
  }

  /** The picture at this moment, as data of its own. */
  snapshot(): FleetSnapshot {
    const now = this.#params.clock.now();
    return {
      at: new Date(now),
      workers: this.#workers.list(now),
      tasks: this.#tasks.list(),
      counts: Object.fromEntries(this.#counts),
      lost: this.#lost,
      complete: this.#complete,
    };
  }

  /** A task of the picture; undefined for one that it has not, or not any more. */
  task(id: string): FleetTask | undefined {
    return this.#tasks.get(id);
  }

  /** A worker of the picture, by its node name. */
  worker(node: string): FleetWorker | undefined {
    return this.#workers.get(node, this.#params.clock.now());
  }

  /** Stops listening; the picture stays as it is. May be called twice. Closing the app closes it, too. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#settleReady();
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Listens until it is closed; again and again while the broker is away. Never rejects. */
  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const stream = this.#params.events.stream({ signal }, { holds: false });
        void stream.started.then(() => this.#ask());
        for await (const event of stream) this.#take(event);
        break; // the app was closed
      } catch (error) {
        if (isCeleriacError(error, 'APP_CLOSED')) break;
        this.#settleReady(error);
      }
      this.#complete = false;
      await sleep(AGAIN_MS, { signal, ref: false });
    }
    this.#settleReady();
  }

  #take(event: FleetEvent): void {
    const count = this.#counts.get(event.type);
    // Events of tasks' own may have any name.
    if (count !== undefined || this.#counts.size < MOST_NAMES) this.#counts.set(event.type, (count ?? 0) + 1);
    if (event.type === 'events-lost') {
      this.#lost += event.count;
      this.#complete = false;
      void sleep(ASK_AFTER_MS, { signal: this.#stop.signal, ref: false }).then(() => this.#ask());
    } else if ('id' in event) this.#tasks.take(event);
    else if (
      event.type === 'worker-online' ||
      event.type === 'worker-heartbeat' ||
      event.type === 'worker-offline' ||
      event.type === 'worker-lost'
    )
      this.#workers.take(event, this.#params.clock.now());
  }

  /** Asks the workers what they do; once at a time. Never rejects. */
  #ask(): Promise<void> {
    this.#asking ??= this.#askAll().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askAll(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { clock, ask } = this.#params;
    const before = clock.now();
    const lost = this.#lost;
    try {
      const { stats, active } = await ask();
      for (const [node, answer] of Object.entries(stats)) this.#know(node, answer);
      for (const [node, running] of Object.entries(active))
        if (Array.isArray(running)) this.#tasks.reconcile(node, running as RunningTask[], before);
      this.#complete = this.#lost === lost && Object.values(active).every(Array.isArray);
    } catch {
      // The broker is away, or the app is closing: the events go on without the answers.
    }
    this.#settleReady();
  }

  /** Anybody on the bus may answer, in any form: one answer must not hide the others. */
  #know(node: string, answer: unknown): void {
    if (typeof answer !== 'object' || answer === null || 'error' in answer) return;
    const { queues, processed } = answer as Partial<WorkerAnswer>;
    if (!Array.isArray(queues) || typeof processed !== 'object' || processed === null) return;
    this.#workers.know(node, answer as WorkerAnswer, this.#params.clock.now());
  }
}
