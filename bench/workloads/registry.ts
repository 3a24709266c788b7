/** Every workload, in the order of the report. */
import { awaitMany } from './await-many.js';
import { awaitOne } from './await-one.js';
import { callMany } from './call-many.js';
import { callOne } from './call-one.js';
import { drain } from './drain.js';
import { publishMany } from './publish-many.js';
import type { Workload } from './workload.js';

export const WORKLOADS: readonly Workload[] = [
  callOne,
  callMany,
  publishMany,
  drain(1),
  drain(10),
  drain(100),
  awaitOne,
  awaitMany,
];

/** The workloads named by `names`, fully or by their beginning; all when there are none. Throws on an unknown name. */
export function selectWorkloads(names: readonly string[]): readonly Workload[] {
  if (names.length === 0) return WORKLOADS;
  const selected = new Set(names.flatMap(workloadsNamed));
  return WORKLOADS.filter((workload) => selected.has(workload));
}

/** An exact name wins over beginnings: `drain-1` is not also `drain-10`. */
function workloadsNamed(name: string): Workload[] {
  const exact = WORKLOADS.filter((workload) => workload.name === name);
  if (exact.length > 0) return exact;
  const beginning = WORKLOADS.filter((workload) => workload.name.startsWith(name));
  if (beginning.length > 0) return beginning;
  throw new Error(
    `no workload "${name}"; there are ${WORKLOADS.map((workload) => workload.name).join(', ')}`,
  );
}
