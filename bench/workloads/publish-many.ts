/** Many calls handed over at once, by whatever the subject has for that. */
import { argument } from './argument.js';
import type { CallWorkload } from './workload.js';

export const publishMany: CallWorkload = {
  kind: 'call',
  name: 'publish-many',
  title: 'publish many',
  jobs: { full: 20_000, quick: 4_000, unit: 1_000 },
  targets: { cpuUs: 1.05 },
  prepare: (caller) => {
    const { publish } = caller;
    if (publish === undefined) return undefined;
    return async (first, count) => {
      await publish(Array.from({ length: count }, (_, offset) => argument(first + offset)));
      return undefined;
    };
  },
};
