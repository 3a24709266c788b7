/** The workers of the fleet's picture: what their events say, for a bounded number of them. Pure. */
import type { FleetWorker } from './fleet-snapshot.js';
import type { EventMap } from './names.js';

/** An event of a worker. */
export type WorkerEvent = EventMap['worker-online' | 'worker-heartbeat' | 'worker-offline' | 'worker-lost'];

/** What a worker answers about itself. */
export interface WorkerAnswer {
  readonly pid: number;
  readonly running: number;
  readonly processed: Readonly<Record<string, number>>;
  readonly concurrency: number;
  readonly queues: readonly { readonly name: string }[];
  readonly version: string;
}

type KeptWorker = Omit<FleetWorker, 'seenAt'> & { readonly seenAt: number };

/** How long a worker that has gone is shown, ms: workers of old deploys must not fill the picture. */
const FORGOTTEN_MS = 300_000;

export class FleetWorkers {
  /** Last heard last. */
  readonly #workers = new Map<string, KeptWorker>();

  /** @param most workers that are kept: those not heard for longest go first */
  constructor(private readonly most: number) {}

  /** @param now epoch ms, by the broker's clock */
  get(node: string, now: number): FleetWorker | undefined {
    this.#forget(now);
    const worker = this.#workers.get(node);
    return worker && shown(worker);
  }

  /** By name. */
  list(now: number): FleetWorker[] {
    this.#forget(now);
    return [...this.#workers.values()].sort((a, b) => (a.node < b.node ? -1 : 1)).map(shown);
  }

  take(event: WorkerEvent, now: number): void {
    if (event.type === 'worker-lost') {
      const known = this.#workers.get(event.node);
      if (known !== undefined)
        this.#workers.set(event.node, { ...known, alive: false, lost: true, active: 0 });
      return;
    }
    const { node, pid, active, processed, concurrency, queues, loadavg, version } = event;
    const alive = event.type !== 'worker-offline';
    this.#keep({
      node,
      pid,
      alive,
      lost: false,
      active,
      processed,
      concurrency,
      queues,
      loadavg,
      version,
      seenAt: now,
    });
  }

  /** Takes what a worker says when it is asked; what it has said by itself is as new. */
  know(
    node: string,
    { pid, running, processed, concurrency, queues, version }: WorkerAnswer,
    now: number,
  ): void {
    if (this.#workers.get(node)?.alive === true) return;
    this.#keep({
      node,
      pid,
      alive: true,
      lost: false,
      active: running,
      processed: Object.values(processed).reduce((sum, count) => sum + count, 0),
      concurrency,
      queues: queues.map(({ name }) => name),
      loadavg: [],
      version,
      seenAt: now,
    });
  }

  #keep(worker: KeptWorker): void {
    this.#workers.delete(worker.node);
    this.#workers.set(worker.node, worker);
    if (this.#workers.size <= this.most) return;
    for (const oldest of this.#workers.keys()) {
      this.#workers.delete(oldest);
      return;
    }
  }

  #forget(now: number): void {
    for (const [node, { alive, seenAt }] of this.#workers)
      if (!alive && now - seenAt > FORGOTTEN_MS) this.#workers.delete(node);
  }
}

function shown(worker: KeptWorker): FleetWorker {
  return { ...worker, seenAt: new Date(worker.seenAt) };
}
