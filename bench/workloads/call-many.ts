/** Calls with a thousand in flight: what a busy server or an importing script pays. */
import { argument } from './argument.js';
import { inFlight } from './in-flight.js';
import type { CallWorkload } from './workload.js';

export const callMany: CallWorkload = {
  kind: 'call',
  name: 'call-many',
  title: 'call, 1,000 in flight',
  jobs: { full: 20_000, quick: 4_000, unit: 1_000 },
  targets: { cpuUs: 1.0 },
  prepare: (caller) => async (first, count) => {
    await inFlight({ first, count, width: 1_000 }, (index) => caller.call(argument(index)));
    return undefined;
  },
};
