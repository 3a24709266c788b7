/** Schedules: what ticks when, and create, edit, pause, run now, delete. */
import type { ScheduleList, ScheduleView } from '../../../src/web/api.js';
import { address, send } from '../../core/api.js';
import { type Changed, changeSchedule, told } from '../../core/changes.js';
import { link, setQuery, useRoute } from '../../core/router.js';
import { duration } from '../../core/time.js';
import { useData } from '../../core/use-data.js';
import { Actions, Empty, Head, Id, Moment, None, Problem, Text, Waiting } from '../../ui/bits.js';
import { ActionDialog, showDialog } from '../../ui/dialog.js';
import { Json } from '../../ui/json.js';
import { FilterField, useSearch } from '../../ui/search.js';
import { type Column, Table } from '../../ui/table.js';
import { EditSchedule } from './edit.js';

export function Schedules() {
  const open = useRoute().query.get('open');
  const { data, error, reload } = useData<ScheduleList>(address(['schedules']), { everyMs: 5_000 });
  const search = useSearch();
  const shown = (data?.schedules ?? []).filter(({ name, task }) =>
    `${name}\n${task}`.toLowerCase().includes(search),
  );
  return (
    <>
      <Head title="Schedules">
        <Actions>
          <button type="button" class="primary" onClick={() => showDialog(<EditSchedule done={reload} />)}>
            New schedule
          </button>
        </Actions>
      </Head>
      <Problem error={error} />
      <div class="filters">
        <FilterField name="find" label="Name or task" first placeholder="part of it" />
      </div>
      {data === undefined && error === undefined && <Waiting />}
      {data !== undefined && data.schedules.length === 0 && (
        <Empty
          title="Nothing is scheduled"
          command={"@Task('cleanup', { schedule: crontab({ minute: '*/5' }) })"}
        >
          Make one with “New schedule”, or declare it beside the task; any worker keeps it:
        </Empty>
      )}
      {data !== undefined && data.schedules.length > 0 && (
        <Table
          caption="Schedules"
          columns={columns(open, reload)}
          rows={shown}
          id={({ name }) => name}
          below={(schedule) => schedule.name === open && <Detail schedule={schedule} />}
        />
      )}
    </>
  );
}

function columns(open: string | null, reload: () => void): readonly Column<ScheduleView>[] {
  return [
    {
      key: 'name',
      head: 'Name',
      kind: 'grow',
      by: ({ name }) => name,
      cell: ({ name, paused }) => (
        <>
          <button
            type="button"
            class="link"
            data-primary
            aria-expanded={name === open}
            onClick={() => setQuery({ open: name === open ? null : name })}
          >
            <Text>{name}</Text>
          </button>{' '}
          {paused && <span class="state s-retry">paused</span>}
        </>
      ),
    },
    {
      key: 'task',
      head: 'Task',
      large: true,
      by: ({ task }) => task,
      cell: ({ task }) => (
        <a href={link(['runs'], { name: task })}>
          <Text most={60}>{task}</Text>
        </a>
      ),
    },
    { key: 'when', head: 'When', by: ({ text }) => text, cell: ({ text }) => <Text most={60}>{text}</Text> },
    {
      key: 'next',
      head: 'Next',
      kind: 'number',
      by: ({ next }) => next[0] ?? '9',
      cell: ({ next }) => <Moment at={next[0] ?? null} />,
    },
    {
      key: 'last',
      head: 'Last',
      kind: 'number',
      large: true,
      by: ({ lastAt }) => lastAt ?? '',
      cell: ({ lastAt, lastTaskId }) =>
        lastTaskId === null ? (
          <Moment at={lastAt} />
        ) : (
          <a href={link(['runs', lastTaskId])}>
            <Moment at={lastAt} />
          </a>
        ),
    },
    {
      key: 'source',
      head: 'Set by',
      large: 'very',
      by: ({ source }) => source,
      cell: ({ source }) => (source === 'code' ? 'code' : 'a program'),
    },
    {
      key: 'actions',
      head: <span class="sr">Actions</span>,
      kind: 'actions',
      cell: (schedule) => (
        <Actions>
          <Buttons schedule={schedule} done={reload} />
        </Actions>
      ),
    },
  ];
}

interface Props {
  readonly schedule: ScheduleView;
  readonly done: () => void;
}

function Buttons({ schedule, done }: Props) {
  const { name, paused } = schedule;
  const button = (label: string, dialog: preact.VNode) => (
    <button type="button" class="small" onClick={() => showDialog(dialog)}>
      {label}
      <span class="sr"> {name}</span>
    </button>
  );
  return (
    <span class="row-actions">
      {button('Run now', <RunNow schedule={schedule} done={done} />)}
      {button(paused ? 'Resume' : 'Pause', <Pause schedule={schedule} done={done} />)}
      {button('Edit', <EditSchedule schedule={schedule} done={done} />)}
      {button('Delete', <Delete schedule={schedule} done={done} />)}
    </span>
  );
}

function RunNow({ schedule: { name, task }, done }: Props) {
  const act = async () => {
    const { id } = await changeSchedule(name, 'run-now');
    done();
    return {
      text: `Sent 1 task of the schedule ${name}.`,
      ...(id === undefined ? {} : { href: link(['runs', id]) }),
    };
  };
  return (
    <ActionDialog title={`Run ${name} now?`} label="Send 1 task" act={act}>
      <p>
        One <b>{task}</b> is sent in addition to the schedule.
      </p>
    </ActionDialog>
  );
}

function Pause({ schedule: { name, paused, text }, done }: Props) {
  const act = async () => {
    await changeSchedule(name, paused ? 'resume' : 'pause');
    done();
    return { text: `${paused ? 'Resumed' : 'Paused'} the schedule ${name}.` };
  };
  return (
    <ActionDialog
      title={`${paused ? 'Resume' : 'Pause'} ${name}?`}
      label={`${paused ? 'Resume' : 'Pause'} 1 schedule`}
      act={act}
    >
      <p>
        {paused
          ? `It ticks again: ${text}. Ticks that were missed are not made up for.`
          : 'It sends nothing until it is resumed, over restarts as well.'}
      </p>
    </ActionDialog>
  );
}

function Delete({ schedule: { name, source }, done }: Props) {
  const act = async () => {
    const changed = await send<Changed>('DELETE', address(['schedules', name]));
    done();
    return { text: told('Deleted', changed, 'schedule') };
  };
  return (
    <ActionDialog title={`Delete ${name}?`} label="Delete 1 schedule" danger act={act}>
      <p>
        It never ticks again. This cannot be undone.
        {source === 'code' &&
          ' It is declared in code: it returns with the next worker that declares it. Pause it instead.'}
      </p>
    </ActionDialog>
  );
}

function Detail({ schedule: { next, history, args, options, paused } }: { schedule: ScheduleView }) {
  return (
    <div class="detail two">
      <div>
        <h2>Next five</h2>
        {next.length === 0 ? (
          <p class="sub">{paused ? 'None: it is paused.' : 'None: it never ticks again.'}</p>
        ) : (
          <ol class="moments">
            {next.map((at) => (
              <li key={at}>
                <Moment at={at} as="clock" />{' '}
                <span class="sub">
                  <Moment at={at} />
                </span>
              </li>
            ))}
          </ol>
        )}
        <h2>History</h2>
        {history.length === 0 ? (
          <p class="sub">It has not ticked yet.</p>
        ) : (
          <ol class="moments">
            {history.map(({ at, taskId, late }) => (
              <li key={at}>
                <Moment at={at} as="clock" />{' '}
                {taskId === null ? (
                  <None />
                ) : (
                  <a href={link(['runs', taskId])}>
                    <Id id={taskId} />
                  </a>
                )}
                {late !== null && late > 0 && <span class="sub"> {duration(late)} late</span>}
              </li>
            ))}
          </ol>
        )}
      </div>
      <div>
        <h2>Arguments</h2>
        <Json value={args} label="Arguments" />
        {Object.keys(options).length > 0 && (
          <>
            <h2>Options</h2>
            <Json value={options} label="Options" />
          </>
        )}
      </div>
    </div>
  );
}
