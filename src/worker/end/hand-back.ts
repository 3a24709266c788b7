/**
 * Ends tasks that a stopping worker cannot wait for: they go back to their queue and run elsewhere from the
 * beginning, without an attempt being counted. One that only waits goes on elsewhere as if it had woken up.
 */
import type { Registry } from '../../tasks/registry.js';
import type { RunningCall } from '../run/running-call.js';

export function handBack(running: Iterable<RunningCall>, registry: Registry): void {
  for (const call of running) {
    // A task that acknowledges early must not run twice: it is left to end with the process.
    if (registry.get(call.delivery.name)?.run.acksLate === false) continue;
    call.handBack();
  }
}
