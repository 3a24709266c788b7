/**
 * Notices workers that are not heard any more, for one listener to the fleet. Silence may also be that of the broker or of
 * the listener's own connection: before a worker counts as lost, the listener must have heard itself.
 */
import { every } from '../timers.js';
import type { AppEvent, EventMap } from './names.js';

export interface WorkerWatchParams {
  /** On this process's steady clock, ms. */
  now(): number;
  /** True once a message of the listener's own has come back to it; false if it does not in time. Never rejects. */
  probe(): Promise<boolean>;
  /** Called once for each loss. */
  onLost(worker: Pick<EventMap['worker-lost'], 'node' | 'pid' | 'seenAt'>): void;
}

interface Heard {
  readonly at: number;
  readonly freq: number;
  readonly pid: number;
  /** When it was heard, epoch ms by the broker's clock. */
  readonly seenAt: number;
}

/** After this many silent heartbeats a worker counts as lost. */
const SILENT_BEATS = 3.5;
const LOOK_MS = 500;
/** Most workers that are followed, and most lost ones that are remembered. */
const MOST = 10_000;

export class WorkerWatch {
  readonly #heard = new Map<string, Heard>();
  /** Lost ones, so that nobody else's word is repeated. */
  readonly #lost = new Set<string>();
  #stopLooking: (() => void) | undefined;
  #looking = false;
  #closed = false;

  constructor(private readonly params: WorkerWatchParams) {}

  /** Notes an event. @returns false for a loss that is known */
  note(event: AppEvent): boolean {
    switch (event.type) {
      case 'worker-online':
      case 'worker-heartbeat':
        this.#lost.delete(event.node);
        this.#hear(event);
        return true;
      case 'worker-offline':
        this.#heard.delete(event.node);
        return true;
      case 'worker-lost':
        return this.#lose(event.node);
      default:
        return true;
    }
  }

  close(): void {
    this.#closed = true;
    this.#stopLooking?.();
    this.#heard.clear();
  }

  #hear({ node, pid, freq, timestamp }: EventMap['worker-heartbeat' | 'worker-online']): void {
    // Any client of the broker may write to the channel.
    if (this.#closed || !(freq > 0)) return;
    if (this.#heard.size >= MOST && !this.#heard.has(node)) return;
    this.#heard.set(node, { at: this.params.now(), freq, pid, seenAt: timestamp });
    this.#stopLooking ??= every(LOOK_MS, () => void this.#look(), { ref: false });
  }

  /** @returns false if it was lost before */
  #lose(node: string): boolean {
    this.#heard.delete(node);
    if (this.#lost.has(node)) return false;
    if (this.#lost.size < MOST) this.#lost.add(node);
    return true;
  }

  async #look(): Promise<void> {
    if (this.#looking || this.#silent().length === 0) return;
    this.#looking = true;
    const hears = await this.params.probe();
    this.#looking = false;
    if (this.#closed) return;
    if (!hears) {
      // Nobody can be heard: all get as long again.
      for (const [node, heard] of this.#heard) this.#heard.set(node, { ...heard, at: this.params.now() });
      return;
    }
    // What they said meanwhile has come before the probe.
    for (const [node, { pid, seenAt }] of this.#silent())
      if (this.#lose(node)) this.params.onLost({ node, pid, seenAt });
  }

  #silent(): [string, Heard][] {
    const now = this.params.now();
    return [...this.#heard].filter(([, { at, freq }]) => now - at > freq * SILENT_BEATS);
  }
}
