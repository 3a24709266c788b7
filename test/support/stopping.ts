/** Workers that are stopped while their broker is in trouble. */
import type { TestContext } from 'node:test';
import type { CeleriacOptions } from 'celeriac';
import { gate, type LogLine, testApp, within } from './app.js';

/** Longer than the deadline, the last words and a busy machine take; a worker that hangs is far beyond. */
export const IN_TIME_MS = 15_000;

/**
 * Holds that an idle and a busy worker stop in time, told more than once, that what ran hears of it, and that their apps
 * close.
 * @param trouble begins once both run; given what the idle one has logged
 */
export async function stopInTime(
  t: TestContext,
  options: CeleriacOptions,
  trouble: (lines: readonly LogLine[]) => Promise<void>,
): Promise<void> {
  const [idle, busy] = [testApp(t, options), testApp(t, options)];
  const [begun, aborted] = [gate(), gate()];
  const stuck = busy.app.task('stuck', async function () {
    begun.open();
    this.signal.addEventListener('abort', () => aborted.open());
    await new Promise(() => undefined);
  });
  const workers = [await idle.worker(), await busy.worker()];
  await stuck.delay();
  await begun.opened;
  await trouble(idle.lines);
  const before = performance.now();
  const stops = workers.flatMap((worker) => [
    worker.stop({ timeout: 500 }),
    worker.stop({ timeout: 500 }),
    worker.stop(),
    worker.stopNow(),
  ]);
  await within(Promise.all(stops), 'the end of the workers', IN_TIME_MS);
  t.diagnostic(`stopped after ${Math.round(performance.now() - before)} ms`);
  await within(aborted.opened, 'the signal of what ran');
  await within(Promise.all([idle.app.close(), busy.app.close()]), 'the end of the apps', IN_TIME_MS);
}
