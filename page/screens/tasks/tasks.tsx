/** Tasks by name: how many in which state, how long they take, how often they fail. */
import type { TaskList, TaskSummary } from '../../../src/web/api.js';
import { address } from '../../core/api.js';
import { link } from '../../core/router.js';
import { number, percent } from '../../core/text.js';
import { useData } from '../../core/use-data.js';
import {
  Actions,
  Duration,
  Empty,
  Head,
  Moment,
  None,
  Problem,
  State,
  Text,
  Waiting,
} from '../../ui/bits.js';
import { FilterField, useSearch } from '../../ui/search.js';
import { type Column, Table } from '../../ui/table.js';
import { Limits, LimitsButton, useLimits } from './limits.js';

export function Tasks() {
  const { data, error } = useData<TaskList>(address(['tasks']), {
    on: ['run'],
    leastMs: 3_000,
    everyMs: 10_000,
  });
  const limits = useLimits();
  const search = useSearch();
  const tasks = (data?.tasks ?? []).filter(({ name }) => name.toLowerCase().includes(search));
  return (
    <>
      <Head title="Tasks" />
      <Problem error={error} />
      <div class="filters">
        <FilterField name="find" label="Name" first placeholder="part of a name" />
      </div>
      {data === undefined && error === undefined && <Waiting />}
      {data !== undefined && data.tasks.length === 0 && (
        <Empty title="No task is known yet" command="celeriac -A tasks worker">
          Tasks are known once a worker that has them is running, or their code is loaded with <code>-A</code>
          :
        </Empty>
      )}
      {data !== undefined && data.tasks.length > 0 && (
        <>
          <Table caption="Tasks by name" columns={columns(limits)} rows={tasks} id={({ name }) => name} />
          <p class="foot">
            {search !== '' && `${number(tasks.length)} of ${number(data.tasks.length)} tasks. `}
            Counts and times are of what the server has seen since it listens.
          </p>
          <Limits of={limits} tasks={data.tasks} />
        </>
      )}
    </>
  );
}

/** How runs have ended or failed. How many were sent and started says nothing of how many wait and run now. */
const SEEN = ['SUCCESS', 'FAILURE', 'REVOKED', 'RETRY'] as const;

function columns({ data: known, reload }: ReturnType<typeof useLimits>): readonly Column<TaskSummary>[] {
  return [
    {
      key: 'name',
      head: 'Name',
      by: ({ name }) => name,
      kind: 'grow',
      cell: ({ name }) => (
        <a href={link(['runs'], { name })} data-primary>
          <Text>{name}</Text>
        </a>
      ),
    },
    {
      key: 'counts',
      head: 'Seen',
      by: ({ counts }) => SEEN.reduce((sum, state) => sum + (counts[state] ?? 0), 0),
      cell: ({ name, counts }) => <Counts name={name} counts={counts} />,
    },
    {
      key: 'p50',
      head: 'p50',
      kind: 'number',
      by: ({ p50 }) => p50 ?? -1,
      cell: ({ p50 }) => <Duration ms={p50} />,
    },
    {
      key: 'p95',
      head: 'p95',
      kind: 'number',
      by: ({ p95 }) => p95 ?? -1,
      cell: ({ p95 }) => <Duration ms={p95} />,
    },
    {
      key: 'rate',
      head: 'Failures',
      kind: 'number',
      by: ({ failureRate }) => failureRate ?? -1,
      cell: ({ failureRate }) =>
        failureRate === null ? (
          <None />
        ) : (
          <span class={failureRate > 0 ? 'alarm' : 'zero'}>{percent(failureRate)}</span>
        ),
    },
    {
      key: 'error',
      head: 'Last error',
      large: true,
      kind: 'wide',
      by: ({ lastError }) => lastError?.at ?? '',
      cell: ({ lastError }) =>
        lastError === null ? (
          <None />
        ) : (
          <a href={link(['runs', lastError.id])}>
            <Text most={80}>{`${lastError.name}: ${lastError.message}`}</Text> <Moment at={lastError.at} />
          </a>
        ),
    },
    {
      key: 'queues',
      head: 'Queues',
      large: true,
      cell: ({ queues }) => (queues.length === 0 ? <None /> : <Text most={60}>{queues.join(', ')}</Text>),
    },
    {
      key: 'nodes',
      head: 'Workers',
      kind: 'number',
      large: true,
      by: ({ nodes }) => nodes.length,
      cell: ({ nodes }) => number(nodes.length),
    },
    {
      key: 'call',
      head: <span class="sr">Actions</span>,
      kind: 'actions',
      cell: ({ name, nodes }) => (
        <span class="row-actions">
          <LimitsButton
            task={name}
            limits={known?.limits.find(({ task }) => task === name)}
            nodes={nodes}
            done={reload}
          />
          <Actions>
            <a class="button small" href={link(['call', name])}>
              Call<span class="sr"> {name}</span>
            </a>
          </Actions>
        </span>
      ),
    },
  ];
}

function Counts({ name, counts }: { name: string; counts: Readonly<Record<string, number>> }) {
  const some = SEEN.flatMap((state) => (counts[state] ? [[state, counts[state]] as const] : []));
  if (some.length === 0) return <None />;
  return (
    <span class="counts">
      {some.map(([state, n]) => (
        <a key={state} href={link(['runs'], { name, state })}>
          <State state={state} /> {number(n)}
        </a>
      ))}
    </span>
  );
}
