/** Failed tasks by their error: how many, since when; retry or delete them together or one by one. */
import { useState } from 'preact/hooks';
import type { FailedGroup, FailedList, RunDetail } from '../../../src/web/api.js';
import { address, get } from '../../core/api.js';
import { changeRuns, type RunsAction, told } from '../../core/changes.js';
import { link, setQuery, useRoute } from '../../core/router.js';
import { count, number } from '../../core/text.js';
import { useData } from '../../core/use-data.js';
import { Actions, Empty, Head, Id, Moment, Problem, RunLink, Text, Waiting } from '../../ui/bits.js';
import { ActionDialog, showDialog } from '../../ui/dialog.js';
import { notify } from '../../ui/notices.js';
import { FilterField, useSearch } from '../../ui/search.js';
import { type Column, Table } from '../../ui/table.js';
import { RetryEdited } from '../run/actions.js';

export function Failed() {
  const open = useRoute().query.get('open');
  const { data, error, reload } = useData<FailedList>(address(['failed']), {
    on: ['queue'],
    leastMs: 3_000,
    everyMs: 10_000,
  });
  const search = useSearch();
  const groups = (data?.groups ?? []).filter((group) =>
    `${group.error}\n${group.message}\n${group.task}`.toLowerCase().includes(search),
  );
  return (
    <>
      <Head title="Failed" />
      <Problem error={error} />
      <div class="filters">
        <FilterField name="find" label="Error or task" first placeholder="part of it" />
      </div>
      {data === undefined && error === undefined && <Waiting />}
      {data !== undefined && data.groups.length === 0 && (
        <Empty title="Nothing has failed" command="celeriac -A tasks failed list">
          Failed tasks stay here, grouped by their error, until they are retried, deleted or expire. From a
          terminal:
        </Empty>
      )}
      {data !== undefined && data.groups.length > 0 && (
        <>
          <Table
            caption="Failed tasks by error"
            columns={columns(open, reload)}
            rows={groups}
            id={keyOf}
            below={(group) => keyOf(group) === open && <Members group={group} done={reload} />}
          />
          <p class="foot">
            {count(data.looked, 'failed task')} looked at
            {data.complete ? '; that is all.' : '; there are more.'}
          </p>
        </>
      )}
    </>
  );
}

/** Stays the same while tasks come and go: the message is the latest one's, and may have its numbers and names. */
function keyOf({ task, error, message }: FailedGroup): string {
  const kind = message.replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '…').replace(/[0-9a-f-]*\d[0-9a-f-]*/gi, '#');
  return `${task} ${error} ${kind}`.slice(0, 200);
}

function columns(open: string | null, reload: () => void): readonly Column<FailedGroup>[] {
  return [
    {
      key: 'error',
      head: 'Error',
      kind: 'grow',
      by: ({ error }) => error,
      cell: (group) => (
        <button
          type="button"
          class="link error-line"
          data-primary
          aria-expanded={keyOf(group) === open}
          onClick={() => setQuery({ open: keyOf(group) === open ? null : keyOf(group) })}
        >
          <b>
            <Text most={60}>{group.error}</Text>
          </b>{' '}
          <Text most={160}>{group.message}</Text>
        </button>
      ),
    },
    {
      key: 'task',
      head: 'Task',
      by: ({ task }) => task,
      cell: ({ task }) => (
        <a href={link(['runs'], { name: task, state: 'FAILURE' })}>
          <Text most={60}>{task}</Text>
        </a>
      ),
    },
    {
      key: 'count',
      head: 'Count',
      kind: 'number',
      by: (group) => group.count,
      cell: (group) => number(group.count),
    },
    {
      key: 'last',
      head: 'Last',
      kind: 'number',
      by: ({ last }) => last,
      cell: ({ last }) => <Moment at={last} />,
    },
    {
      key: 'first',
      head: 'First',
      kind: 'number',
      large: 'very',
      by: ({ first }) => first,
      cell: ({ first }) => <Moment at={first} />,
    },
    {
      key: 'actions',
      head: <span class="sr">Actions</span>,
      kind: 'actions',
      cell: (group) => (
        <Actions>
          <span class="row-actions">
            <button type="button" class="small" onClick={() => ask('retry', group.ids, group, reload)}>
              Retry<span class="sr"> all with {group.error}</span>
            </button>
            <button type="button" class="small" onClick={() => ask('delete', group.ids, group, reload)}>
              Delete<span class="sr"> all with {group.error}</span>
            </button>
          </span>
        </Actions>
      ),
    },
  ];
}

function Members({ group, done }: { group: FailedGroup; done: () => void }) {
  const [all, setAll] = useState(false);
  const shown = all ? group.ids : group.ids.slice(0, 10);
  return (
    <div class="detail">
      <ul class="members">
        {shown.map((id) => (
          <li key={id}>
            <RunLink id={id}>
              <Id id={id} />
            </RunLink>
            <Actions>
              <span class="row-actions">
                <button type="button" class="small" onClick={() => ask('retry', [id], group, done)}>
                  Retry<span class="sr"> {id}</span>
                </button>
                <button type="button" class="small" onClick={() => edit(id, done)}>
                  Retry with edited arguments<span class="sr"> {id}</span>
                </button>
                <button type="button" class="small" onClick={() => ask('delete', [id], group, done)}>
                  Delete<span class="sr"> {id}</span>
                </button>
              </span>
            </Actions>
          </li>
        ))}
      </ul>
      <p class="foot">
        The first of them <Moment at={group.first} />, the latest <Moment at={group.last} />.{' '}
        {group.count > group.ids.length &&
          `The newest ${number(group.ids.length)} of ${number(group.count)}. `}
        {!all && group.ids.length > shown.length && (
          <button type="button" class="quiet small" onClick={() => setAll(true)}>
            Show {number(group.ids.length - shown.length)} more
          </button>
        )}
      </p>
    </div>
  );
}

function ask(action: RunsAction, ids: readonly string[], group: FailedGroup, done: () => void): void {
  showDialog(<Ask action={action} ids={ids} group={group} done={done} />);
}

interface AskProps {
  readonly action: RunsAction;
  readonly ids: readonly string[];
  readonly group: FailedGroup;
  readonly done: () => void;
}

function Ask({ action, ids, group, done }: AskProps) {
  const verb = action === 'retry' ? 'Retry' : 'Delete';
  const label = `${verb} ${count(ids.length, 'task')}`;
  const act = async () => {
    const changed = await changeRuns(action, { ids });
    done();
    return {
      text: told(action === 'retry' ? 'Retried' : 'Deleted', changed, 'task'),
      bad: (changed.refused ?? []).length > 0,
    };
  };
  return (
    <ActionDialog title={`${label}?`} label={label} danger={action === 'delete'} act={act}>
      <p>
        <Text most={60}>{group.task}</Text>, failed with{' '}
        <b>
          <Text most={60}>{group.error}</Text>
        </b>
        .
        {group.count > ids.length &&
          ids.length > 1 &&
          ` These are the newest ${number(ids.length)} of ${number(group.count)}.`}
      </p>
      <p>
        {action === 'retry'
          ? 'They are queued again, with their arguments.'
          : 'They are removed with their errors. This cannot be undone.'}
      </p>
    </ActionDialog>
  );
}

/** The dialog needs the arguments in full. */
function edit(id: string, done: () => void): void {
  get<RunDetail>(address(['runs', id])).then(
    ({ argsFull }) => showDialog(<RetryEdited id={id} args={argsFull} done={done} />),
    (error: Error) => notify(error.message, { bad: true }),
  );
}
