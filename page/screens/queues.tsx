/** Queues: what waits in them, how fast it goes, and pause, resume, purge. */
import type { QueueList, QueueView } from '../../src/web/api.js';
import { address } from '../core/api.js';
import { changeQueue } from '../core/changes.js';
import { link } from '../core/router.js';
import { count, number, rate } from '../core/text.js';
import { useData } from '../core/use-data.js';
import { Actions, Count, Duration, Empty, Head, None, Problem, Text, Waiting } from '../ui/bits.js';
import { ActionDialog, showDialog } from '../ui/dialog.js';
import { FilterField, useSearch } from '../ui/search.js';
import { type Column, Table } from '../ui/table.js';

export function Queues() {
  const { data, error, reload } = useData<QueueList>(address(['queues']), {
    on: ['queue', 'run'],
    leastMs: 2_000,
    everyMs: 5_000,
  });
  const search = useSearch();
  const queues = (data?.queues ?? []).filter(({ name }) => name.toLowerCase().includes(search));
  return (
    <>
      <Head title="Queues" />
      <Problem error={error} />
      <div class="filters">
        <FilterField name="find" label="Name" first placeholder="part of a name" />
      </div>
      {data === undefined && error === undefined && <Waiting />}
      {data !== undefined && data.queues.length === 0 && (
        <Empty title="There is no queue yet" command="celeriac -A tasks worker -Q celeriac,reports">
          A queue exists once a task is sent to it or a worker consumes it:
        </Empty>
      )}
      {data !== undefined && data.queues.length > 0 && (
        <>
          <Table caption="Queues" columns={columns(reload)} rows={queues} id={({ name }) => name} />
          {search !== '' && (
            <p class="foot">
              {number(queues.length)} of {count(data.queues.length, 'queue')}
            </p>
          )}
        </>
      )}
    </>
  );
}

function columns(reload: () => void): readonly Column<QueueView>[] {
  return [
    {
      key: 'name',
      head: 'Queue',
      kind: 'grow',
      by: ({ name }) => name,
      cell: ({ name, paused }) => (
        <>
          <a href={link(['runs'], { queue: name })} data-primary>
            <Text>{name}</Text>
          </a>{' '}
          {paused && <span class="state s-retry">paused</span>}
        </>
      ),
    },
    numbers('waiting', 'Waiting', ({ waiting }) => waiting),
    numbers('active', 'Running', ({ active }) => active),
    numbers('delayed', 'Delayed', ({ delayed }) => delayed),
    { ...numbers('parts', 'For parts', ({ waitingChildren }) => waitingChildren), large: true },
    numbers('failed', 'Failed', ({ failed }) => failed, true),
    { ...numbers('finished', 'Finished', ({ finished }) => finished), large: true },
    {
      key: 'rate',
      head: 'Ends /s',
      kind: 'number',
      by: (queue) => queue.rate ?? -1,
      cell: (queue) => (queue.rate === null ? <None /> : rate(queue.rate)),
    },
    {
      key: 'latency',
      head: 'Latency',
      kind: 'number',
      by: ({ latency }) => latency ?? -1,
      cell: ({ latency }) => <Duration ms={latency} />,
    },
    {
      key: 'workers',
      head: 'Workers',
      kind: 'number',
      large: true,
      by: ({ workers }) => workers.length,
      cell: ({ workers }) => <Count n={workers.length} />,
    },
    {
      key: 'actions',
      head: <span class="sr">Actions</span>,
      kind: 'actions',
      cell: (queue) => (
        <Actions>
          <QueueActions queue={queue} reload={reload} />
        </Actions>
      ),
    },
  ];
}

function numbers(
  key: string,
  head: string,
  pick: (queue: QueueView) => number,
  alarm = false,
): Column<QueueView> {
  return { key, head, kind: 'number', by: pick, cell: (queue) => <Count n={pick(queue)} alarm={alarm} /> };
}

function QueueActions({ queue, reload }: { queue: QueueView; reload: () => void }) {
  const { name, paused } = queue;
  return (
    <span class="row-actions">
      {paused ? (
        <button
          type="button"
          class="small"
          onClick={() => showDialog(<Resume queue={queue} done={reload} />)}
        >
          Resume<span class="sr"> {name}</span>
        </button>
      ) : (
        <button type="button" class="small" onClick={() => showDialog(<Pause queue={queue} done={reload} />)}>
          Pause<span class="sr"> {name}</span>
        </button>
      )}
      <button type="button" class="small" onClick={() => showDialog(<Purge queue={queue} done={reload} />)}>
        Purge<span class="sr"> {name}</span>
      </button>
    </span>
  );
}

function Pause({ queue: { name, waiting }, done }: { queue: QueueView; done: () => void }) {
  const act = async () => {
    await changeQueue(name, 'pause');
    done();
    return { text: `Paused the queue ${name}.` };
  };
  return (
    <ActionDialog title={`Pause the queue ${name}?`} label="Pause the queue" act={act}>
      <p>
        Workers take nothing more from it, on all nodes, until it is resumed. {count(waiting, 'task')} and
        later ones wait; what runs goes on.
      </p>
    </ActionDialog>
  );
}

function Resume({ queue: { name, waiting }, done }: { queue: QueueView; done: () => void }) {
  const act = async () => {
    await changeQueue(name, 'resume');
    done();
    return { text: `Resumed the queue ${name}.` };
  };
  return (
    <ActionDialog title={`Resume the queue ${name}?`} label="Resume the queue" act={act}>
      <p>Workers take from it again: {count(waiting, 'task is', 'tasks are')} waiting.</p>
    </ActionDialog>
  );
}

function Purge({ queue: { name, waiting, delayed }, done }: { queue: QueueView; done: () => void }) {
  const most = waiting + delayed;
  const act = async () => {
    const { touched } = await changeQueue(name, 'purge');
    done();
    return { text: `Purged ${count(touched, 'task')} from the queue ${name}.` };
  };
  return (
    <ActionDialog title={`Purge the queue ${name}?`} label={`Purge ${count(most, 'task')}`} danger act={act}>
      <p>
        {count(most, 'task that waits', 'tasks that wait')} ({number(waiting)} waiting, {number(delayed)}{' '}
        delayed) will never run and end as REVOKED. What runs goes on. This cannot be undone.
      </p>
    </ActionDialog>
  );
}
