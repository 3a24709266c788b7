/** The working process of a subject written in TypeScript. It counts in the task's body and reads itself at marks. */
import { performance } from 'node:perf_hooks';
import type { Reading } from '../subjects/subject.js';
import { ownUsage } from './own-usage.js';
import { readRole } from './role.js';
import { numberOf, serve } from './serve.js';

const importedFrom = performance.now();
const { driver, broker } = await readRole();
const importMs = performance.now() - importedFrom;
const marks = new Map<number, (reading: Reading) => void>();
let done = 0;

const task = (text: string): number => {
  done += 1;
  marks.get(done)?.(ownUsage());
  return text.length;
};

serve({
  async begin(request) {
    const concurrency = numberOf(request, 'concurrency');
    await driver.startWorker(broker, { concurrency, task, threads: request.threads === true });
    // By the process's own clock, which began with it.
    return { importMs, readyMs: performance.now() };
  },

  reached(request) {
    const count = numberOf(request, 'count');
    return new Promise((resolve) => marks.set(count, (after) => resolve({ after })));
  },

  async usage() {
    return { after: ownUsage() };
  },
});
