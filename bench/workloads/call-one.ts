/** Calls, each waiting for the one before: what a web request pays. */
import { argument } from './argument.js';
import type { CallWorkload } from './workload.js';

export const callOne: CallWorkload = {
  kind: 'call',
  name: 'call-one',
  title: 'call, one at a time',
  jobs: { full: 10_000, quick: 1_000 },
  targets: { callerCpuUs: 1.1, brokerCpuUs: 1.05 },
  prepare: (caller) => async (first, count) => {
    for (let index = first; index < first + count; index++) await caller.call(argument(index));
    return undefined;
  },
};
