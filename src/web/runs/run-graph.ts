/**
 * `GET runs/{id}/graph`: a workflow as parts inside parts. Groups of many members are one part with counts of their states,
 * of which a page at a time can be unfolded.
 */
import { keepAliveDuring } from '../../broker/keep-alive.js';
import type { Leaf, Parallel, Plan, PlanNode } from '../../canvas/workflow/plan.js';
import { idOf, leaves, nodeAt, ROOT } from '../../canvas/workflow/plan.js';
import { type Ending, readEnding } from '../../canvas/workflow/record.js';
import { partId, partOf } from '../../protocol/ids.js';
import { FAILURE, PENDING, REVOKED, SUCCESS } from '../../states.js';
import type { GraphNode, GraphNodeKind, RunGraph } from '../api.js';
import { type ApiCall, param, runContext, type WebContext } from '../web-context.js';
import { findRun } from './run-detail.js';
import { countIn, foundRun } from './run-list.js';
import type { RunContext } from './run-view.js';

/** A part of the plan that is shown. */
export interface PlannedNode {
  readonly id: string;
  readonly path: string;
  readonly name: string;
  readonly kind: GraphNodeKind;
  readonly parent: string | null;
  readonly leaf: Leaf | undefined;
  /** Set for a group whose members are not all shown. */
  readonly folded: Parallel | undefined;
  /** Leads to it only under a condition: it may never run. */
  readonly callback: boolean;
}

export interface PlannedGraph {
  readonly nodes: readonly PlannedNode[];
  readonly edges: RunGraph['edges'];
  readonly total: number;
}

/** The group that is unfolded, and where its page begins. */
export interface Unfolded {
  readonly id: string;
  readonly from: number;
}

/** A group of more is folded; a page of it has as many. */
const PAGE = 50;
/** Parts that are shown; groups beyond that are folded whatever their size. */
const MOST_SHOWN = 400;
/** Members of a folded group whose jobs are read, to see whether they run. */
const MOST_READ = 300;
/** Fields of a record in one read. */
const FIELDS = 1_000;

/** The handler. */
export async function showGraph(call: ApiCall): Promise<RunGraph> {
  const { context, query } = call;
  const { plans } = context.parts.flows;
  const id = param(call, 'id');
  return keepAliveDuring(context.parts.engine, async () => {
    const show = await runContext(context);
    const { run, task } = await findRun(context, id, show);
    const flow = partOf(task.id)?.flow;
    const plan = flow === undefined ? undefined : await plans.whole(flow);
    if (flow === undefined || plan === undefined) {
      const node = { id, name: run.name, state: run.state, kind: 'task', parent: null } as const;
      return { kind: 'task', nodes: [node], edges: [], total: 1, shown: 1 };
    }
    const open = query.get('open') ?? undefined;
    const unfolded =
      open === undefined ? undefined : { id: open, from: countIn(query, 'from', 0, 0, 2 ** 31) };
    return drawn(context, show, flow, plan, planned(flow, plan, unfolded));
  });
}

/** What is shown of a plan. Pure. */
export function planned(flow: string, plan: Plan, unfolded: Unfolded | undefined): PlannedGraph {
  const nodes: PlannedNode[] = [];
  const edges: { from: string; to: string }[] = [];
  const visit = (node: PlanNode, path: string, parent: string | null, callback: boolean): string => {
    const id = idOf(flow, path, node);
    const leaf = node.kind === 'task' ? node : undefined;
    const group = node.kind === 'group' ? node : undefined;
    const pages = group !== undefined && group.members.length > PAGE;
    const folded = group !== undefined && (pages || nodes.length > MOST_SHOWN) ? group : undefined;
    nodes.push({
      id,
      path,
      name: leaf?.name ?? nameOf(node),
      kind: kindOf(node),
      parent,
      leaf,
      folded,
      callback,
    });
    if (node.kind === 'chain') {
      let before: string | undefined;
      for (const [i, step] of node.steps.entries()) {
        const to = visit(step, `${path}.${i}`, id, callback);
        if (before !== undefined) edges.push({ from: before, to });
        before = to;
      }
    }
    if (group !== undefined)
      for (const [i, member] of shownMembers(group, folded, id, unfolded))
        visit(member, `${path}.${i}`, id, callback);
    for (const [letter, callbacks] of [
      ['l', node.links],
      ['e', node.errbacks],
    ] as const)
      for (const [i, each] of (callbacks ?? []).entries())
        edges.push({ from: id, to: visit(each, `${path}.${letter}${i}`, parent, true) });
    return id;
  };
  visit(plan.root, ROOT, null, false);
  let total = 0;
  for (const _ of leaves(plan.root, ROOT, true)) total++;
  return { nodes, edges, total };
}

function shownMembers(
  group: Parallel,
  folded: Parallel | undefined,
  id: string,
  unfolded: Unfolded | undefined,
): [number, PlanNode][] {
  const all = [...group.members.entries()];
  if (folded === undefined) return all;
  return unfolded?.id === id ? all.slice(unfolded.from, unfolded.from + PAGE) : [];
}

function kindOf(node: PlanNode): GraphNodeKind {
  if (node.kind !== 'chain') return node.kind;
  const [header, body, ...more] = node.steps;
  return header?.kind === 'group' && body !== undefined && more.length === 0 ? 'chord' : 'chain';
}

function nameOf(node: PlanNode): string {
  return kindOf(node);
}

/** Adds the states. */
async function drawn(
  context: WebContext,
  show: RunContext,
  flow: string,
  plan: Plan,
  { nodes, edges, total }: PlannedGraph,
): Promise<RunGraph> {
  const { engine, tasks } = context.parts;
  const refs = nodes.map(({ path, leaf }) => ({
    queue: leaf?.queue ?? '',
    id: partId(flow, path, leaf?.queue),
  }));
  const [found, [endings = []]] = await Promise.all([
    tasks.read(refs),
    engine.flows.read([{ flow, fields: nodes.map(({ path }) => path) }]),
  ]);
  const seen = await Promise.all(
    nodes.map(async (node, i): Promise<GraphNode | undefined> => {
      const task = found[i];
      const state =
        task === undefined ? stateOfEnding(readEnding(endings[i])) : foundRun(task, show).run.state;
      // An errback that was never called.
      if (state === undefined && node.callback) return undefined;
      const { id, name, kind, parent, folded } = node;
      return {
        id,
        name,
        state: state ?? PENDING,
        kind,
        parent,
        ...(folded !== undefined && {
          folded: true,
          count: folded.members.length,
          states: await statesOf(context, flow, node.path, folded),
        }),
      };
    }),
  );
  const shown = seen.filter((node) => node !== undefined);
  const ids = new Set(shown.map(({ id }) => id));
  return {
    kind: kindOf(nodeAt(plan, ROOT) ?? plan.root),
    nodes: shown,
    edges: edges.filter(({ from, to }) => ids.has(from) && ids.has(to)),
    total,
    shown: shown.filter(({ kind }) => kind === 'task').length,
  };
}

/** How many members are in which state: by what the workflow's record says of their ends, else by their jobs. */
async function statesOf(
  { parts }: WebContext,
  flow: string,
  path: string,
  { members }: Parallel,
): Promise<Record<string, number>> {
  const { engine } = parts;
  const counts = new Map<string, number>();
  const add = (state: string) => counts.set(state, (counts.get(state) ?? 0) + 1);
  const open: { queue: string; id: string }[] = [];
  for (let at = 0; at < members.length; at += FIELDS) {
    const some = members.slice(at, at + FIELDS);
    const fields = some.map((_, i) => `${path}.${at + i}`);
    const [endings = []] = await engine.flows.read([{ flow, fields }]);
    for (const [i, member] of some.entries()) {
      const state = stateOfEnding(readEnding(endings[i]));
      if (state !== undefined) add(state);
      else if (member.kind === 'task' && open.length < MOST_READ)
        open.push({ queue: member.queue, id: partId(flow, fields[i] ?? '', member.queue) });
      else add(PENDING);
    }
  }
  const rows = open.length === 0 ? [] : await engine.queues.rows(open);
  for (const row of rows) add(row?.running === true ? 'STARTED' : PENDING);
  return Object.fromEntries(counts);
}

function stateOfEnding(ending: Ending | undefined): string | undefined {
  if (ending === undefined) return undefined;
  if ('x' in ending) return FAILURE;
  if (!('f' in ending)) return SUCCESS;
  return ending.r === undefined ? FAILURE : REVOKED;
}
