/** One workflow: how far it is, its graph, and its parts as a list. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { GraphNode, RunGraph } from '../../../src/web/api.js';
import { address } from '../../core/api.js';
import { link, setQuery, useRoute } from '../../core/router.js';
import { count, number } from '../../core/text.js';
import { useData } from '../../core/use-data.js';
import { Empty, Head, Id, Problem, Section, State, Text, Waiting } from '../../ui/bits.js';
import { Scroll } from '../../ui/scroll.js';
import { type Column, Table } from '../../ui/table.js';
import { Drawing } from './graph.js';
import type { Drawn } from './layout.js';

export function Workflow({ id }: { id: string }) {
  const { query } = useRoute();
  const open = query.get('open');
  const from = query.get('from');
  const { data, error, stale } = useData<RunGraph>(address(['runs', id, 'graph'], { open, from }), {
    on: ['run'],
    leastMs: 1_500,
    everyMs: 5_000,
  });
  return (
    <>
      <Head
        title="Workflow"
        sub={
          <p class="sub">
            <a href={link(['runs', id])}>
              <Id id={id} />
            </a>
          </p>
        }
      />
      {error?.status === 404 ? <Unknown /> : <Problem error={error} />}
      {data === undefined && error === undefined && <Waiting />}
      {data !== undefined && <Body id={id} graph={data} stale={stale} />}
    </>
  );
}

function Unknown() {
  return (
    <Empty title="There is no such workflow">
      It was deleted, or its results have expired. <a href="#/runs">Search the runs</a>.
    </Empty>
  );
}

function Body({ id, graph, stale }: { id: string; graph: RunGraph; stale: boolean }) {
  const drawn = useLayout(graph);
  const states = useMemo(() => tally(graph), [graph]);
  const parts = graph.nodes.filter(({ kind, folded }) => kind === 'task' || folded === true);
  return (
    <>
      <ul class="states-line">
        {states.map(([state, n]) => (
          <li key={state}>
            <State state={state} /> {number(n)}
          </li>
        ))}
        <li class="sub">
          a {graph.kind} of {count(graph.total, 'task')}
          {graph.shown < graph.total && `, ${number(graph.shown)} of them drawn`}
        </li>
      </ul>
      <Unfolded graph={graph} />
      <Scroll look={stale ? 'graph-box stale' : 'graph-box'} label="Graph">
        {drawn === undefined ? <Waiting /> : <Drawing graph={graph} drawn={drawn} root={id} />}
      </Scroll>
      <Section title="Parts" id="parts">
        <Table caption="Parts of the workflow" columns={columns(id)} rows={parts} id={(node) => node.id} />
      </Section>
    </>
  );
}

/** Members on the server's page of an unfolded group. */
const PAGE = 50;

/** A page of an unfolded group. */
function Unfolded({ graph: { nodes } }: { graph: RunGraph }) {
  const { query } = useRoute();
  const open = query.get('open');
  if (open === null) return null;
  const many = nodes.find(({ id, folded }) => id === open && folded === true)?.count ?? 0;
  const from = Number(query.get('from') ?? 0);
  return (
    <p class="bar">
      <button
        type="button"
        class="small"
        onClick={() => setQuery({ open: null, from: null }, { push: true })}
      >
        Fold
      </button>
      <button
        type="button"
        class="small"
        disabled={from <= 0}
        onClick={() => setQuery({ from: Math.max(0, from - PAGE) || null }, { push: true })}
      >
        Earlier members
      </button>
      <button
        type="button"
        class="small"
        disabled={from + PAGE >= many}
        onClick={() => setQuery({ from: from + PAGE }, { push: true })}
      >
        Later members
      </button>
      <span class="sub">
        members {number(from + 1)} to {number(Math.min(from + PAGE, many))} of {number(many)}
      </span>
    </p>
  );
}

/** The code that lays out is loaded with the first graph. */
function useLayout(graph: RunGraph): Drawn | undefined {
  const [drawn, setDrawn] = useState<Drawn>();
  const shape = useMemo(
    () => JSON.stringify([graph.nodes.map(({ id, parent, folded }) => [id, parent, folded]), graph.edges]),
    [graph],
  );
  // States change far more often than the shape.
  useEffect(() => {
    let current = true;
    import('./layout.js').then(({ layOut }) => {
      if (current) setDrawn(layOut(graph));
    });
    return () => {
      current = false;
    };
  }, [shape]);
  return drawn;
}

function tally({ nodes }: RunGraph): [string, number][] {
  const states = new Map<string, number>();
  const add = (state: string, n: number) => states.set(state, (states.get(state) ?? 0) + n);
  const folded = new Set(nodes.filter((node) => node.folded === true).map(({ id }) => id));
  for (const { kind, state, states: inside, parent, folded: isFolded } of nodes)
    if (isFolded === true) for (const [each, n] of Object.entries(inside ?? {})) add(each, n);
    else if (kind === 'task' && !(parent !== null && folded.has(parent))) add(state, 1);
  return [...states].sort(([, a], [, b]) => b - a);
}

function columns(root: string): readonly Column<GraphNode>[] {
  return [
    {
      key: 'name',
      head: 'Name',
      kind: 'grow',
      by: ({ name }) => name,
      cell: ({ id, name, folded }) => (
        <a
          href={folded === true ? link(['runs', root, 'graph'], { open: id }) : link(['runs', id])}
          data-primary
        >
          <Text most={100}>{name}</Text>
          {folded === true && ' (show members)'}
        </a>
      ),
    },
    {
      key: 'kind',
      head: 'Kind',
      by: ({ kind }) => kind,
      cell: ({ kind, count: many }) => (many === undefined ? kind : `${kind} of ${number(many)}`),
    },
    { key: 'state', head: 'State', by: ({ state }) => state, cell: ({ state }) => <State state={state} /> },
    { key: 'id', head: 'Id', large: true, cell: ({ id }) => <Id id={id} /> },
  ];
}
