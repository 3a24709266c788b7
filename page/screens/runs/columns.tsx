/** The columns of a list of runs. */
import type { Run } from '../../../src/web/api.js';
import { link } from '../../core/router.js';
import { oneLine } from '../../core/text.js';
import { Id, Moment, None, Ran, RunLink, State, Text } from '../../ui/bits.js';
import type { Column } from '../../ui/table.js';

export interface Selecting {
  readonly rows: readonly Run[];
  readonly selected: ReadonlySet<string>;
  readonly setSelected: (ids: ReadonlySet<string>) => void;
}

export function runColumns(selecting: Selecting | undefined): readonly Column<Run>[] {
  return selecting === undefined ? COLUMNS : [checks(selecting), ...COLUMNS];
}

/** The queue, as a link to its runs. */
export const QUEUE_COLUMN: Column<Run> = {
  key: 'queue',
  head: 'Queue',
  large: true,
  cell: ({ queue }) => (
    <a href={link(['runs'], { queue })}>
      <Text most={40}>{queue}</Text>
    </a>
  ),
};

const COLUMNS: readonly Column<Run>[] = [
  { key: 'state', head: 'State', cell: ({ state }) => <State state={state} /> },
  {
    key: 'name',
    head: 'Task',
    cell: ({ id, name, tags }) => (
      <span class="run-name">
        <RunLink id={id}>
          <Text most={80}>{name}</Text>
        </RunLink>
        {tags.slice(0, 3).map((tag) => (
          <a key={tag} class="tag" href={link(['runs'], { tag })}>
            <Text most={30}>{tag}</Text>
          </a>
        ))}
      </span>
    ),
  },
  {
    key: 'args',
    head: 'Arguments',
    kind: 'wide',
    cell: ({ args, error }) => (
      <span class="args">
        <Text mono most={160}>
          {args}
        </Text>
        {error !== null && (
          <span class="args-error" title={oneLine(error.message, 1000)}>
            <Text most={160}>{`${error.name}: ${error.message}`}</Text>
          </span>
        )}
      </span>
    ),
  },
  QUEUE_COLUMN,
  {
    key: 'worker',
    head: 'Worker',
    large: true,
    cell: ({ worker }) => (worker === null ? <None /> : <Text most={40}>{worker}</Text>),
  },
  { key: 'attempt', head: 'Attempt', kind: 'number', large: 'very', cell: ({ attempt }) => attempt + 1 },
  { key: 'sent', head: 'Sent', kind: 'number', cell: ({ sentAt }) => <Moment at={sentAt} /> },
  {
    key: 'runtime',
    head: 'Ran',
    kind: 'number',
    cell: (run) => <Ran run={run} />,
  },
  { key: 'id', head: 'Id', large: 'very', cell: ({ id }) => <Id id={id} /> },
];

function checks({ rows, selected, setSelected }: Selecting): Column<Run> {
  const all = rows.length > 0 && rows.every(({ id }) => selected.has(id));
  return {
    key: 'check',
    kind: 'check',
    head: (
      <input
        type="checkbox"
        aria-label="Select all on this page"
        checked={all}
        onChange={() => setSelected(all ? new Set() : new Set(rows.map(({ id }) => id)))}
      />
    ),
    cell: ({ id, name }) => (
      <input
        type="checkbox"
        aria-label={`Select ${oneLine(name, 60)} ${oneLine(id, 60)}`}
        checked={selected.has(id)}
        onChange={() => {
          const next = new Set(selected);
          if (!next.delete(id)) next.add(id);
          setSelected(next);
        }}
      />
    ),
  };
}
