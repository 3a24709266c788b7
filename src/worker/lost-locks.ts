/** Ends calls whose lock is gone: another worker may run them by now, so nothing of them may be written here. */
import { CeleriacError } from '../errors.js';
import type { Logger } from '../options/logger.js';
import type { TransientMap } from '../transient-map.js';
import type { RunningCall } from './running-call.js';

/** @param running by job id */
export function endLost(running: TransientMap<RunningCall>, jobIds: readonly string[], logger: Logger): void {
  for (const jobId of jobIds) {
    const call = running.get(jobId);
    if (call === undefined) continue;
    const { name, taskId } = call.delivery;
    logger.warn({ task: name, taskId }, 'lost the lock of a running task; another worker may run it');
    call.end(
      { kind: 'lost' },
      new CeleriacError(`This worker lost ${name} (${taskId}): its lock could not be renewed in time.`),
    );
  }
}
