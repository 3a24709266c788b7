/**
 * Which workers were lost: they stopped without leaving the bus. Every worker removes nodes whose leases have ended, and
 * each node is removed by one of them, so each loss is reported by one worker of the fleet.
 */
import type { Bus } from '../broker/bus.js';
import { after, type Cancel } from '../timers.js';
import { WORKER_MARK } from './commands.js';

/**
 * After an outage of the broker all leases have ended, and those who live come back: longer than it takes them to renew
 * theirs, ms.
 */
export const COME_BACK_MS = 5_000;

/**
 * Calls `onLost` with the node name of each lost worker that this process removes.
 * @returns a function that stops that
 */
export function reportLostNodes(
  bus: Pick<Bus, 'onRemoved' | 'nodes'>,
  onLost: (node: string) => void,
  onError: (error: Error) => void,
): Cancel {
  const checks = new Set<Cancel>();
  let stopped = false;
  bus.onRemoved((removed) => {
    const workers = removed.filter(({ name }) => name.startsWith(WORKER_MARK));
    if (workers.length === 0 || stopped) return;
    const check = after(COME_BACK_MS, () => void report().catch(onError), { ref: false });
    checks.add(check);

    async function report(): Promise<void> {
      checks.delete(check);
      const back = new Set((await bus.nodes()).map(({ id }) => id));
      if (stopped) return;
      for (const { id, name } of workers) if (!back.has(id)) onLost(name.slice(WORKER_MARK.length));
    }
  });
  return () => {
    stopped = true;
    for (const cancel of checks) cancel();
  };
}
