/** The drivers by subject name, each loaded only in the processes of its own subject. */
import type { Driver } from './driver.js';

const DRIVERS: Readonly<Record<string, () => Promise<Driver>>> = {
  bullmq: async () => (await import('./bullmq.js')).bullmqDriver,
  celeriac: async () => (await import('./celeriac.js')).celeriacDriver,
};

export async function loadDriver(subject: string): Promise<Driver> {
  const load = DRIVERS[subject];
  if (load === undefined) throw new Error(`no driver for subject "${subject}" in bench/subjects/drivers.ts`);
  return load();
}
