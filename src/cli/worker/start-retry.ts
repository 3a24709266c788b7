/**
 * Starts a worker and retries while the broker is away, without a limit (Celery: `broker_connection_retry_on_startup`).
 */
import { isCeleriacError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import { sleep } from '../../timers.js';

const LONGEST_WAIT_MS = 10_000;

/** @returns false if `stop` aborted first */
export async function startPatiently(
  worker: { start(): Promise<void> },
  log: Pick<Logger, 'info' | 'error'>,
  stop: AbortSignal,
): Promise<boolean> {
  const since = performance.now();
  for (let attempt = 1; ; attempt++) {
    try {
      await worker.start();
      if (attempt > 1) log.info({ awayMs: Math.round(performance.now() - since) }, 'connected to the broker');
      return true;
    } catch (error) {
      if (stop.aborted) return false;
      if (!isCeleriacError(error, 'BROKER_UNAVAILABLE')) throw error;
      const waitMs = Math.min(attempt * 1000, LONGEST_WAIT_MS);
      log.error({}, `${error.message} Trying again in ${waitMs / 1000} s.`);
      await sleep(waitMs, { signal: stop });
      if (stop.aborted) return false;
    }
  }
}
