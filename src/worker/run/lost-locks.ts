/** Ends a call whose lock is lost: another worker may run it by now, so this one must not write anything for it. */
import { CeleriacError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import type { BatchCollector } from '../batches/collector.js';
import type { Executor } from './execute.js';

/**
 * @param token of a run, which may have ended meanwhile, or wait for a limit or for others of its batch
 */
export function endLost(
  token: string,
  { running }: Pick<Executor, 'running'>,
  batches: Pick<BatchCollector, 'withdraw'>,
  logger: Logger,
): void {
  batches.withdraw((delivery) => delivery.token === token, { kind: 'lost' });
  const call = running.get(token);
  if (call === undefined) return;
  const { name, taskId } = call.delivery;
  logger.warn({ task: name, taskId }, 'lost the lock of a running task; another worker may run it');
  call.end(
    { kind: 'lost' },
    new CeleriacError(`This worker lost ${name} (${taskId}): its lock could not be renewed in time.`),
  );
}
