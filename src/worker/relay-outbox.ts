/** A worker's part in relaying the outbox of its app, if the app has one. */
import type { OutboxDepth } from '../events/metrics.js';
import type { StartStep } from './steps.js';

/** An outbox, as a worker sees it. */
export interface WorkerOutbox {
  readonly configured: boolean;
  /** Relays committed calls until it is stopped, also while the database is away. */
  relay(): Promise<{ stop(): Promise<void> }>;
  counts(): Promise<OutboxDepth>;
}

/** The step of a worker's start in which it begins to relay. */
export function relaying(outbox: WorkerOutbox): StartStep {
  let relay: ReturnType<WorkerOutbox['relay']> | undefined;
  return {
    start: async () => {
      if (!outbox.configured) return;
      relay = outbox.relay();
      await relay;
    },
    stop: async () => (await relay)?.stop(),
  };
}
