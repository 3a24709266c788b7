/** The drawing of a workflow: each part a link, with its state in words and colour. */
import type { GraphNode, RunGraph } from '../../../src/web/api.js';
import { link } from '../../core/router.js';
import { lookOf } from '../../core/states.js';
import { count, oneLine } from '../../core/text.js';
import type { Drawn } from './layout.js';
import { NODE } from './look.js';

export function Drawing({ graph, drawn, root }: { graph: RunGraph; drawn: Drawn; root: string }) {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  return (
    <svg
      class="graph"
      width={drawn.width}
      height={drawn.height}
      viewBox={`0 0 ${drawn.width} ${drawn.height}`}
      role="group"
      aria-label="Graph of the workflow"
    >
      <defs>
        <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">
          <path d="M0 0 8 4 0 8z" class="arrow-head" />
        </marker>
      </defs>
      {drawn.edges.map((points, index) => (
        // An edge has no name, and edges change together.
        <path key={index} class="edge" d={pathOf(points)} marker-end="url(#arrow)" />
      ))}
      {drawn.joints.map(({ x, y }) => (
        <circle key={`${x} ${y}`} class="joint" cx={x} cy={y} r={3} />
      ))}
      {drawn.nodes.map(({ id, x, y }) => {
        const node = nodes.get(id);
        return node === undefined ? null : <Part key={id} node={node} x={x} y={y} root={root} />;
      })}
    </svg>
  );
}

function Part({ node, x, y, root }: { node: GraphNode; x: number; y: number; root: string }) {
  const { id, name, state, folded, count: many } = node;
  const left = x - NODE.width / 2;
  const top = y - NODE.height / 2;
  const href = folded === true ? link(['runs', root, 'graph'], { open: id }) : link(['runs', id]);
  const title =
    folded === true && many !== undefined
      ? `${oneLine(name, 14)} of ${count(many, 'task')}`
      : oneLine(name, 24);
  return (
    <a href={href} class={`part s-${lookOf(state)}`} data-row data-primary>
      <title>{oneLine(name, 300)}</title>
      <rect x={left} y={top} width={NODE.width} height={NODE.height} rx={6} class="part-box" />
      <rect x={left} y={top} width={4} height={NODE.height} rx={2} class="part-mark" />
      <text x={left + 14} y={top + 20} class="part-name">
        {title}
      </text>
      {folded === true && node.states !== undefined ? (
        <Shares node={node} left={left + 14} top={top + 31} />
      ) : (
        <text x={left + 14} y={top + 37} class="part-state">
          {oneLine(state, 28)}
        </text>
      )}
    </a>
  );
}

/** The states of a folded group's members as a bar. */
function Shares({ node, left, top }: { node: GraphNode; left: number; top: number }) {
  const width = NODE.width - 28;
  const states = Object.entries(node.states ?? {}).filter(([, n]) => n > 0);
  const all = states.reduce((sum, [, n]) => sum + n, 0);
  let at = left;
  return (
    <g>
      <title>{states.map(([state, n]) => `${n} ${oneLine(state, 30)}`).join(', ')}</title>
      {states.map(([state, n]) => {
        const wide = (width * n) / Math.max(1, all);
        const x = at;
        at += wide;
        return <rect key={state} class={`share s-${lookOf(state)}`} x={x} y={top} width={wide} height={7} />;
      })}
    </g>
  );
}

/** A curve that leaves and reaches each point horizontally. */
function pathOf(points: readonly { x: number; y: number }[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let path = `M${first.x} ${first.y}`;
  let before = first;
  for (const point of rest) {
    const bend = (point.x - before.x) / 2;
    path += `C${before.x + bend} ${before.y} ${point.x - bend} ${point.y} ${point.x} ${point.y}`;
    before = point;
  }
  return path;
}
