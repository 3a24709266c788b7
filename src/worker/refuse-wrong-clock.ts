/** Refuses to start a worker with a wrong clock: delays and locks depend on the clock. */
import type { BrokerClock } from '../broker/clock.js';
import { CeleriacError } from '../errors.js';

/** @throws {CeleriacError} when this machine's clock is off the broker's by more than half a lock */
function refuseWrongClock(skewMs: number, lockDurationMs: number): void {
  const offMs = Math.abs(skewMs);
  if (offMs <= lockDurationMs / 2) return;
  throw new CeleriacError(
    `This machine's clock is ${offMs} ms off the broker's, more than half of lockDuration: delays and locks would be ` +
      'wrong. Set the clock (NTP) and start again.',
  );
}

/**
 * Reads the broker's clock.
 * @throws {CeleriacError} when this machine's is too far off
 */
export async function trustClock(clock: BrokerClock, lockDurationMs: number): Promise<void> {
  await clock.sync();
  refuseWrongClock(clock.skewMs, lockDurationMs);
}
