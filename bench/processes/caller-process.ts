/** The calling process of a subject written in TypeScript. It measures itself around each operation. */
import type { Caller } from '../subjects/driver.js';
import { argument } from '../workloads/argument.js';
import { inFlight } from '../workloads/in-flight.js';
import { WORKLOADS } from '../workloads/registry.js';
import type { CallWorkload } from '../workloads/workload.js';
import { ownUsage } from './own-usage.js';
import { readRole } from './role.js';
import { numberOf, serve } from './serve.js';

const FILL_WIDTH = 1_000;

const { driver, broker } = await readRole();
let opened: Promise<Caller> | undefined;
const openCaller = (): Promise<Caller> => {
  opened ??= driver.openCaller(broker);
  return opened;
};

serve({
  async open() {
    await openCaller();
    return {};
  },

  async fill(request) {
    const caller = await openCaller();
    const range = { first: numberOf(request, 'first'), count: numberOf(request, 'count'), width: FILL_WIDTH };
    await inFlight(range, (index) => caller.call(argument(index)));
    return {};
  },

  async perform(request) {
    const operation = workloadNamed(request.workload).prepare(await openCaller());
    if (operation === undefined) return { unsupported: true };
    const before = ownUsage();
    const latenciesMs = await operation(numberOf(request, 'first'), numberOf(request, 'count'));
    return { before, after: ownUsage(), latenciesMs };
  },

  async usage() {
    return { after: ownUsage() };
  },
});

function workloadNamed(name: unknown): CallWorkload {
  const workload = WORKLOADS.find((candidate) => candidate.name === name);
  if (workload?.kind !== 'call') throw new Error(`no calling workload "${String(name)}"`);
  return workload;
}
