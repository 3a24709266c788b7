/**
 * Where the parts of a workflow stand. A group whose members are shown is drawn as its members; what points at it points at
 * them. One that is folded is drawn as itself. Laid out anew only when parts come or go, not when their states change.
 */
import { layout as dagreLayout, Graph } from '@dagrejs/dagre';
import type { GraphNode, RunGraph } from '../../../src/web/api.js';
import { NODE } from './look.js';

export interface Placed {
  readonly id: string;
  readonly x: number;
  readonly y: number;
}

export interface Drawn {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly Placed[];
  /** Without a node: where many edges meet. */
  readonly joints: readonly { readonly x: number; readonly y: number }[];
  readonly edges: readonly (readonly { readonly x: number; readonly y: number }[])[];
}

/** The nodes that are drawn: leaves, and what is folded. */
export function drawnNodes({ nodes }: RunGraph): GraphNode[] {
  const parents = new Set(nodes.map(({ parent }) => parent));
  return nodes.filter(({ id, folded }) => folded === true || !parents.has(id));
}

export function layOut(graph: RunGraph): Drawn {
  const drawn = drawnNodes(graph);
  const plan = new Graph({ multigraph: false, compound: false });
  plan.setGraph({ rankdir: 'LR', nodesep: 14, ranksep: 56, marginx: 12, marginy: 12 });
  plan.setDefaultEdgeLabel(() => ({}));
  for (const { id } of drawn) plan.setNode(id, { ...NODE });
  const joints: string[] = [];
  for (const { froms, tos } of ends(graph, new Set(drawn.map(({ id }) => id)))) {
    if (froms.length > 1 && tos.length > 1) {
      const joint = `joint ${joints.length}`;
      joints.push(joint);
      plan.setNode(joint, { width: 8, height: 8 });
      for (const from of froms) plan.setEdge(from, joint);
      for (const to of tos) plan.setEdge(joint, to);
    } else for (const from of froms) for (const to of tos) plan.setEdge(from, to);
  }
  dagreLayout(plan);
  const { width = 0, height = 0 } = plan.graph() as { width?: number; height?: number };
  const place = (id: string): Placed => {
    const { x, y } = plan.node(id) as { x: number; y: number };
    return { id, x, y };
  };
  return {
    width: Math.max(width, NODE.width),
    height: Math.max(height, NODE.height),
    nodes: drawn.map(({ id }) => place(id)),
    joints: joints.map(place),
    edges: plan.edges().map((edge) => {
      const { points } = plan.edge(edge) as { points: { x: number; y: number }[] };
      const from = plan.node(edge.v) as Box;
      const to = plan.node(edge.w) as Box;
      // From the middle of one side to the middle of the other; between them round what stands in the way.
      const between = points.length > 3 ? points.slice(1, -1) : [];
      return [{ x: from.x + from.width / 2, y: from.y }, ...between, { x: to.x - to.width / 2, y: to.y }];
    }),
  };
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

interface Ends {
  readonly froms: readonly string[];
  readonly tos: readonly string[];
}

/** Each edge as drawn nodes: those in which its ends finish and begin. */
function* ends({ nodes, edges }: RunGraph, drawn: ReadonlySet<string>): Generator<Ends> {
  const members = new Map<string, string[]>();
  for (const { id, parent } of nodes)
    if (parent !== null) members.set(parent, [...(members.get(parent) ?? []), id]);
  const hasBefore = new Set(edges.map(({ to }) => to));
  const hasAfter = new Set(edges.map(({ from }) => from));
  const leaves = (id: string, inner: ReadonlySet<string>, seen: ReadonlySet<string>): string[] => {
    if (seen.has(id)) return [];
    const below = (members.get(id) ?? []).filter((member) => !inner.has(member));
    const deeper = below.flatMap((member) => leaves(member, inner, new Set([...seen, id])));
    return drawn.has(id) ? [id, ...deeper] : deeper;
  };
  for (const { from, to } of edges)
    yield { froms: leaves(from, hasAfter, new Set()), tos: leaves(to, hasBefore, new Set()) };
}
