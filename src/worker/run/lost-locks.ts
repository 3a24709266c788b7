/** Ends a call whose lock is lost: another worker may run it by now, so this one must not write anything for it. */
import { CeleriacError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import type { RunningCall } from './running-call.js';

/** @param call what runs under the lock; undefined when it has ended meanwhile, or waits for a limit */
export function endLost(call: RunningCall | undefined, logger: Logger): void {
  if (call === undefined) return;
  const { name, taskId } = call.delivery;
  logger.warn({ task: name, taskId }, 'lost the lock of a running task; another worker may run it');
  call.end(
    { kind: 'lost' },
    new CeleriacError(`This worker lost ${name} (${taskId}): its lock could not be renewed in time.`),
  );
}
