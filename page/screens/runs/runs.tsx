/** All tasks that were called, filtered, a page at a time, and changes to many of them. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RunList } from '../../../src/web/api.js';
import { address } from '../../core/api.js';
import { setQuery, useRoute } from '../../core/router.js';
import { settings } from '../../core/settings.js';
import { useStore } from '../../core/store.js';
import { count, number } from '../../core/text.js';
import { Actions, Empty, Head, Problem, Waiting } from '../../ui/bits.js';
import { Table } from '../../ui/table.js';
import { Bulk } from './bulk.js';
import { runColumns } from './columns.js';
import { asQuery, type Filter, readFilter } from './filter.js';
import { Filters } from './filters.js';
import { useLiveRuns } from './live-list.js';

const PAGE = 50;
/** The page before each page that was left by `Next`. */
const before = new Map<string, string>();

export function Runs() {
  const { query } = useRoute();
  const { actions } = useStore(settings);
  const filter = readFilter(query);
  const cursor = query.get('cursor') ?? '';
  const url = address(['runs'], asQuery(filter, { sort: query.get('sort'), cursor, limit: PAGE }));
  const { data, error, stale, others, reload } = useLiveRuns(url);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  // A selection belongs to the page that is seen.
  useEffect(() => setSelected(new Set()), [url]);
  const rows = data?.runs ?? [];
  const columns = useMemo(
    () => runColumns(actions ? { rows, selected, setSelected } : undefined),
    [actions, rows, selected],
  );
  return (
    <>
      <Head title="Runs" />
      <Problem error={error} />
      <Filters />
      <div class="bar">
        <Actions>
          <Bulk
            selected={selected}
            filter={filter}
            done={() => {
              setSelected(new Set());
              reload();
            }}
          />
        </Actions>
        <button type="button" class={others > 0 ? 'quiet news' : 'quiet news idle'} onClick={reload}>
          {others > 0 ? `${count(others, 'other run')} changed: show` : 'Refresh'}
        </button>
      </div>
      {data === undefined && error === undefined && <Waiting />}
      {data !== undefined && rows.length > 0 && (
        <Table
          caption="Runs"
          columns={columns}
          rows={rows}
          id={({ id }) => id}
          stale={stale}
          selected={selected}
        />
      )}
      {data !== undefined && rows.length === 0 && <NoRuns filter={filter} list={data} />}
      {data !== undefined && <Pages list={data} cursor={cursor} />}
    </>
  );
}

function NoRuns({ filter, list: { complete } }: { filter: Filter; list: RunList }) {
  if (!complete) return <Empty title="Nothing matches so far">There is more to look at.</Empty>;
  if (Object.keys(filter).length > 0)
    return (
      <Empty title="Nothing matches">
        {filter.text !== undefined && 'Text is looked for in arguments only; More filters has ids and tags. '}
        Finished tasks are kept for as long as the app's options <code>resultExpires</code> and{' '}
        <code>failureExpires</code> say.
      </Empty>
    );
  return (
    <Empty
      title="No task has been called yet"
      command={`celeriac -A tasks call generate_report_task --args '["42"]'`}
    >
      Call one from your code with <code>delay()</code>, from this page, or from a terminal:
    </Empty>
  );
}

function Pages({ list, cursor }: { list: RunList; cursor: string }) {
  const { next, looked, complete } = list;
  const previous = before.get(cursor);
  const forward = () => {
    if (next === null) return;
    before.set(next, cursor);
    setQuery({ cursor: next }, { push: true });
  };
  return (
    <nav class="pages" aria-label="Pages">
      <button
        type="button"
        disabled={cursor === ''}
        onClick={() => setQuery({ cursor: null }, { push: true })}
      >
        First
      </button>
      <button
        type="button"
        disabled={previous === undefined}
        onClick={() => setQuery({ cursor: previous ?? null }, { push: true })}
      >
        Previous
      </button>
      <button type="button" disabled={next === null} onClick={forward}>
        {list.runs.length === 0 && next !== null ? 'Look further' : 'Next'}
      </button>
      <span class="looked">
        {number(list.runs.length)} shown, {count(looked, 'task')} looked at
        {complete ? '; that is all.' : '; there is more.'}
      </span>
    </nav>
  );
}
