/** Workers: what each is, what it runs now, and the commands that it takes. */
import type { Run, WorkerList, WorkerView } from '../../../src/web/api.js';
import { address } from '../../core/api.js';
import { controlWorker } from '../../core/changes.js';
import { setQuery, useRoute } from '../../core/router.js';
import { bytes, count, number, percent } from '../../core/text.js';
import { useData } from '../../core/use-data.js';
import {
  Actions,
  Count,
  Duration,
  Empty,
  Head,
  Meter,
  Moment,
  None,
  Problem,
  RunLink,
  State,
  Text,
  Waiting,
} from '../../ui/bits.js';
import { ActionDialog, showDialog } from '../../ui/dialog.js';
import { FilterField, useSearch } from '../../ui/search.js';
import { type Column, Table } from '../../ui/table.js';
import { QUEUE_COLUMN } from '../runs/columns.js';
import { argumentsOf, COMMANDS, type Command, replied } from './commands.js';
import { WorkerLimits } from './limits.js';

export function Workers() {
  const { query } = useRoute();
  const open = query.get('open');
  const { data, error, reload } = useData<WorkerList>(address(['workers']), {
    on: ['worker'],
    leastMs: 2_000,
    everyMs: 5_000,
  });
  const search = useSearch();
  const workers = (data?.workers ?? []).filter(({ node }) => node.toLowerCase().includes(search));
  return (
    <>
      <Head title="Workers" />
      <Problem error={error} />
      <div class="filters">
        <FilterField name="find" label="Node" first placeholder="part of a name" />
      </div>
      {data === undefined && error === undefined && <Waiting />}
      {data !== undefined && data.workers.length === 0 && (
        <Empty title="No worker is running" command="celeriac -A tasks worker -c 4">
          Start one, here or on another machine that reaches the same broker:
        </Empty>
      )}
      {data !== undefined && data.workers.length > 0 && (
        <>
          <Table
            caption="Workers"
            columns={columns(open)}
            rows={workers}
            id={({ node }) => node}
            below={(worker) => worker.node === open && <Detail worker={worker} done={reload} />}
          />
          <p class="foot">
            {search === ''
              ? count(workers.length, 'worker')
              : `${number(workers.length)} of ${count(data.workers.length, 'worker')}`}
          </p>
        </>
      )}
    </>
  );
}

function columns(open: string | null): readonly Column<WorkerView>[] {
  return [
    {
      key: 'node',
      head: 'Node',
      kind: 'grow',
      by: ({ node }) => node,
      cell: ({ node }) => (
        <button
          type="button"
          class="link"
          data-primary
          aria-expanded={node === open}
          onClick={() => setQuery({ open: node === open ? null : node })}
        >
          <Text>{node}</Text>
        </button>
      ),
    },
    {
      key: 'state',
      head: 'State',
      by: ({ online }) => (online ? 1 : 0),
      cell: ({ online, error }) => (
        <span class={online ? 'state s-success' : 'state s-failure'} title={error ?? undefined}>
          {online ? 'online' : 'no answer'}
        </span>
      ),
    },
    {
      key: 'slots',
      head: 'Slots',
      by: ({ slots }) => slots?.used ?? -1,
      cell: ({ slots }) =>
        slots === null ? (
          <None />
        ) : (
          <span class="slots">
            <Meter value={slots.used} max={slots.size} label={`${slots.used} of ${slots.size} slots used`} />
            {slots.used}/{slots.size}
          </span>
        ),
    },
    {
      key: 'done',
      head: 'Done',
      kind: 'number',
      by: ({ processed }) => processed ?? -1,
      cell: ({ processed }) => (processed === null ? <None /> : <Count n={processed} />),
    },
    {
      key: 'cpu',
      head: 'CPU',
      kind: 'number',
      large: true,
      by: ({ cpu }) => cpu ?? -1,
      cell: ({ cpu }) => (cpu === null ? <None /> : percent(cpu)),
    },
    {
      key: 'memory',
      head: 'Memory',
      kind: 'number',
      large: true,
      by: ({ memory }) => memory ?? -1,
      cell: ({ memory }) => (memory === null ? <None /> : bytes(memory)),
    },
    {
      key: 'uptime',
      head: 'Up for',
      kind: 'number',
      large: true,
      by: ({ uptime }) => uptime ?? -1,
      cell: ({ uptime }) => <Duration ms={uptime} />,
    },
    { key: 'pool', head: 'Pool', large: true, cell: ({ pool }) => pool ?? <None /> },
    {
      key: 'queues',
      head: 'Queues',
      large: true,
      kind: 'wide',
      cell: ({ queues }) => (queues.length === 0 ? <None /> : <Text most={80}>{queues.join(', ')}</Text>),
    },
  ];
}

function Detail({ worker, done }: { worker: WorkerView; done: () => void }) {
  const { node, pid, host, version, autoscale, queues, active, limits, error } = worker;
  return (
    <div class="detail">
      {error !== null && <p class="problem">{error}</p>}
      <dl class="facts">
        <div>
          <dt>Process</dt>
          <dd>
            {pid ?? '–'} on <Text>{host ?? 'an unknown host'}</Text>
          </dd>
        </div>
        <div>
          <dt>Version</dt>
          <dd>
            <Text>{version ?? '–'}</Text>
          </dd>
        </div>
        <div>
          <dt>Autoscale</dt>
          <dd>{autoscale === null ? 'off' : `${autoscale.min} to ${autoscale.max}`}</dd>
        </div>
        <div>
          <dt>Queues</dt>
          <dd>
            <Text most={300}>{queues.join(', ')}</Text>
          </dd>
        </div>
      </dl>
      <Actions>
        <div class="commands" role="group" aria-label={`Commands for ${node}`}>
          {COMMANDS.map((command) => (
            <button
              key={command.name}
              type="button"
              class="small"
              onClick={() => showDialog(<Control worker={worker} command={command} done={done} />)}
            >
              {command.label}
            </button>
          ))}
        </div>
      </Actions>
      <WorkerLimits limits={limits} />
      <h2>Running now ({number(active.length)})</h2>
      {active.length === 0 ? (
        <p class="sub">Nothing. It takes the next task from its queues.</p>
      ) : (
        <Table
          caption={`Running on ${node}`}
          columns={ACTIVE}
          rows={active}
          id={({ id }) => id}
          sortName="active"
        />
      )}
    </div>
  );
}

const ACTIVE: readonly Column<Run>[] = [
  {
    key: 'name',
    head: 'Task',
    by: ({ name }) => name,
    cell: ({ id, name }) => (
      <RunLink id={id}>
        <Text most={60}>{name}</Text>
      </RunLink>
    ),
  },
  { key: 'state', head: 'State', cell: ({ state }) => <State state={state} /> },
  {
    key: 'args',
    head: 'Arguments',
    kind: 'wide',
    cell: ({ args }) => (
      <Text mono most={120}>
        {args}
      </Text>
    ),
  },
  {
    key: 'started',
    head: 'Began',
    kind: 'number',
    by: ({ startedAt }) => startedAt ?? '',
    cell: ({ startedAt }) => <Moment at={startedAt} />,
  },
  QUEUE_COLUMN,
];

function Control({
  worker: { node, active },
  command,
  done,
}: {
  worker: WorkerView;
  command: Command;
  done: () => void;
}) {
  const act = async (form: FormData) => {
    const { replies } = await controlWorker(node, command.name, argumentsOf(command, form));
    done();
    const { text, bad } = replied(replies);
    return { text: `${command.label}, ${node}: ${text}`, bad };
  };
  return (
    <ActionDialog
      title={`${command.label}: ${node}`}
      label={`${command.label} on ${command.everywhere === true ? 'all workers' : '1 worker'}`}
      danger={command.danger === true}
      act={act}
    >
      <p>
        {command.says}
        {command.name === 'shutdown' && ` It runs ${count(active.length, 'task')} now.`}
      </p>
      {command.fields.map(({ name, label, kind, value, required, hint }) => (
        <div key={name} class="field">
          <label for={`c-${name}`}>{label}</label>
          <input
            {...{ id: `c-${name}`, name, required: required === true, defaultValue: value ?? '' }}
            {...inputOf(kind)}
            autocomplete="off"
            spellcheck={false}
            aria-describedby={hint === undefined ? undefined : `c-${name}-hint`}
          />
          {hint !== undefined && (
            <span class="hint" id={`c-${name}-hint`}>
              {hint}
            </span>
          )}
        </div>
      ))}
    </ActionDialog>
  );
}

function inputOf(kind: 'number' | 'text') {
  return kind === 'number' ? ({ type: 'number', min: 0 } as const) : ({ type: 'text' } as const);
}
