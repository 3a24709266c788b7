/**
 * The end of tasks whose worker cannot wait for them: they go back, to run elsewhere from their beginning, and that costs
 * them nothing.
 */
import type { Registry } from '../../tasks/registry.js';
import { type RunningCall, WorkerStopping } from '../run/running-call.js';

export function handBack(running: Iterable<RunningCall>, registry: Registry): void {
  for (const call of running) {
    // At most once means at most once: such a task is left to end with the process.
    if (registry.get(call.delivery.name)?.run.acksLate === false) continue;
    call.end({ kind: 'handBack' }, new WorkerStopping());
  }
}
