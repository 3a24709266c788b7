/** Every workload, in the order of the report. */
import { awaitMany } from './await-many.js';
import { awaitOne } from './await-one.js';
import { burning } from './burn.js';
import { callMany } from './call-many.js';
import { callOne } from './call-one.js';
import { drain } from './drain.js';
import { backlog, memory, size, start } from './growth.js';
import { listeners } from './listeners.js';
import { progress } from './progress.js';
import { publishMany } from './publish-many.js';
import { chainsOfTen, chordOfThousand } from './workflows.js';
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
  progress,
  chordOfThousand,
  chainsOfTen,
  burning,
  start,
  size,
  listeners(1),
  listeners(4),
  listeners(16),
  backlog(1_000, '1k'),
  backlog(10_000, '10k'),
  backlog(100_000, '100k'),
  backlog(500_000, '500k'),
  memory,
];

/** The workloads named by `names`, fully or by their beginning; all but the long ones when there are none. Throws on an unknown name. */
export function selectWorkloads(names: readonly string[]): readonly Workload[] {
  if (names.length === 0) return WORKLOADS.filter((workload) => !workload.long);
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
