/** The workers, by their own events. Bounded. Reads no clock. */
import type { EventMap } from '../../events/names.js';

type WorkerEvent = EventMap['worker-online' | 'worker-heartbeat' | 'worker-offline'];

/** A worker that was heard of. */
export interface HeardWorker {
  readonly node: string;
  readonly online: boolean;
  /** Tasks that run. */
  readonly running: number;
  readonly processed: number;
  readonly concurrency: number;
  readonly queues: readonly string[];
  readonly pid: number;
  readonly version: string;
  /** The machine's load over the last minute. */
  readonly load: number;
}

/** After this many silent heartbeats a worker counts as vanished. */
const SILENT_BEATS = 3.5;
/** A page that stays open for days must not fill up with workers of old deploys. */
const FORGOTTEN_MS = 300_000;
const MOST = 2_000;

export class WorkerRoll {
  readonly #heard = new Map<string, { readonly event: WorkerEvent; readonly at: number }>();

  take(event: WorkerEvent, now: number): void {
    if (this.#heard.size < MOST || this.#heard.has(event.node))
      this.#heard.set(event.node, { event, at: now });
  }

  /** Takes that a worker is not heard any more. */
  lose(node: string): void {
    const heard = this.#heard.get(node);
    if (heard !== undefined)
      this.#heard.set(node, { ...heard, event: { ...heard.event, type: 'worker-offline' } });
  }

  clear(): void {
    this.#heard.clear();
  }

  get(node: string, now: number): HeardWorker | undefined {
    const heard = this.#heard.get(node);
    return heard && shown(heard, now);
  }

  /** By name. */
  all(now: number): HeardWorker[] {
    for (const [node, { at }] of this.#heard) if (now - at > FORGOTTEN_MS) this.#heard.delete(node);
    return [...this.#heard.values()]
      .map((heard) => shown(heard, now))
      .sort((a, b) => (a.node < b.node ? -1 : 1));
  }
}

function shown(
  { event, at }: { readonly event: WorkerEvent; readonly at: number },
  now: number,
): HeardWorker {
  const { node, active, processed, concurrency, queues, pid, version, loadavg, freq } = event;
  const online = event.type !== 'worker-offline' && now - at <= freq * SILENT_BEATS;
  return {
    node,
    online,
    running: online ? active : 0,
    processed,
    concurrency,
    queues,
    pid,
    version,
    load: loadavg[0] ?? 0,
  };
}
