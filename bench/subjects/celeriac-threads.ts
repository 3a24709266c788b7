/**
 * celeriac's worker for tasks that compute. Its threads load this module too, so the app finds its broker in the
 * environment: set `BENCH_BROKER` before importing it.
 */
import { Celeriac } from 'celeriac';
import { burn } from '../workloads/burn.js';
import type { Running } from './driver.js';

const SILENT = { debug() {}, info() {}, warn: console.error, error: console.error };

export const app = new Celeriac('bench', {
  logger: SILENT,
  migrate: true,
  ...(process.env.BENCH_BROKER !== undefined && { broker: process.env.BENCH_BROKER }),
});
app.task('burn', { pool: 'threads' }, async () => burn());

export async function startThreads(concurrency: number): Promise<Running> {
  await app.worker({ concurrency, module: import.meta.url }).start();
  return { close: () => app.close() };
}
