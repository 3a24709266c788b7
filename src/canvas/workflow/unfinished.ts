/** The unfinished tasks of a workflow, according to its record: those that have begun and have not ended. Pure. */

import { type Leaf, nodeAt, type Plan, type PlanNode, ROOT } from './plan.js';
import { type Ending, type Failing, failedField, readEnding, readFailing } from './record.js';

/** A field of the record. */
export type FieldReader = (field: string) => string | undefined;

/** The fields that {@link unfinished} reads: two for each part. */
export function unfinishedFields(plan: Plan): string[] {
  const fields: string[] = [];
  const visit = (node: PlanNode, path: string) => {
    fields.push(path, failedField(path));
    for (const [i, inner] of insideOf(node).entries()) visit(inner, `${path}.${i}`);
    for (const [i, link] of (node.links ?? []).entries()) visit(link, `${path}.l${i}`);
    for (const [i, errback] of (node.errbacks ?? []).entries()) visit(errback, `${path}.e${i}`);
  };
  visit(plan.root, ROOT);
  return fields;
}

/** The tasks that have begun, callbacks included, and have not ended. */
export function unfinished(plan: Plan, field: FieldReader): [path: string, leaf: Leaf][] {
  const found: [string, Leaf][] = [];
  visit(plan.root, ROOT);
  return found;

  function visit(node: PlanNode, path: string): void {
    const ending = readEnding(field(path));
    const failing = readFailing(field(failedField(path)));
    if (node.kind === 'task' && ending === undefined) found.push([path, node]);
    if (node.kind === 'group')
      for (const [i, member] of node.members.entries()) visit(member, `${path}.${i}`);
    if (node.kind === 'chain') steps(node.steps, path, failing);
    if (endedWell(ending)) callbacks(node.links, `${path}.l`);
    const isFailure = failing !== undefined && failing.ignored !== true && failing.ended === undefined;
    if (isFailure || (failing === undefined && ending && 'f' in ending))
      callbacks(node.errbacks, `${path}.e`);
    if (failing?.chord && isFailure) {
      // The body of a chord whose header failed never runs, but its errbacks do.
      const body = `${path}.${failing.i + 1}`;
      callbacks(nodeAt(plan, body)?.errbacks, `${body}.e`);
    }
  }

  function steps(all: readonly PlanNode[], path: string, failing: Failing | undefined): void {
    for (const [i, step] of all.entries()) {
      // A task ended the workflow in an earlier step.
      if (failing?.ended !== undefined && i > failing.i) return;
      if (i > 0 && !endedWell(readEnding(field(`${path}.${i - 1}`)))) return;
      visit(step, `${path}.${i}`);
    }
  }

  function callbacks(all: readonly PlanNode[] = [], at: string): void {
    for (const [i, callback] of all.entries()) visit(callback, `${at}${i}`);
  }
}

function endedWell(ending: Ending | undefined): boolean {
  return ending !== undefined && ('s' in ending || 'at' in ending || 'g' in ending);
}

function insideOf(node: PlanNode): readonly PlanNode[] {
  if (node.kind === 'chain') return node.steps;
  return node.kind === 'group' ? node.members : [];
}
