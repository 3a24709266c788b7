/** Several processes that have waited for results stand by while one of them calls and awaits: what a bystander costs. */
import { awaitMany } from './await-many.js';
import type { CallWorkload } from './workload.js';

export function listeners(count: number): CallWorkload {
  return {
    ...awaitMany,
    name: `listeners-${count}`,
    title: `1,000 calls awaited together by one of ${count} listening processes`,
    listeners: count,
    jobs: { full: 4_000, quick: 1_000, unit: 1_000 },
    targets: {},
  };
}
