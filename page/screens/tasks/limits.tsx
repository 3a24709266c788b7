/** The limits that hold for tasks: rates over all workers, and how long runs may take. */
import type { LimitList, LimitView, TaskList } from '../../../src/web/api.js';
import { address } from '../../core/api.js';
import { number } from '../../core/text.js';
import { useData } from '../../core/use-data.js';
import { Actions, Duration, Empty, None, Problem, Section, Text } from '../../ui/bits.js';
import { showDialog } from '../../ui/dialog.js';
import { type Column, Table } from '../../ui/table.js';
import { ChangeLimits, type LimitsOf } from './change-limits.js';

/** Asked for again once somebody has changed one. */
export function useLimits() {
  return useData<LimitList>(address(['limits']), { on: ['worker'], leastMs: 3_000, everyMs: 10_000 });
}

export function Limits({
  of: { data, error, reload },
  tasks,
}: {
  of: ReturnType<typeof useLimits>;
  tasks: TaskList['tasks'];
}) {
  return (
    <Section title="Limits" id="limits">
      <Problem error={error} />
      {data !== undefined && data.limits.length === 0 && (
        <Empty
          title="No task has a limit"
          command="celeriac -A tasks control rate-limit send_email 10/s&#10;celeriac -A tasks control time-limit send_email 30s 1m"
        >
          A task has limits in its code (<code>rateLimit</code>, <code>concurrency</code>,{' '}
          <code>softTimeLimit</code>, <code>timeLimit</code>), or gets some while workers run: by the button
          Limits of a task, or by
        </Empty>
      )}
      {data !== undefined && data.limits.length > 0 && (
        <Table
          caption="Limits of tasks"
          columns={columns(tasks, reload)}
          rows={data.limits}
          id={({ task }) => task}
          sortName="limit"
        />
      )}
    </Section>
  );
}

function columns(tasks: TaskList['tasks'], reload: () => void): readonly Column<LimitView>[] {
  return [
    {
      key: 'task',
      head: 'Task',
      kind: 'grow',
      by: ({ task }) => task,
      cell: ({ task }) => <Text>{task}</Text>,
    },
    {
      key: 'rate',
      head: 'Rate',
      kind: 'number',
      cell: ({ rate }) => (rate === null ? <None /> : <Text>{rate}</Text>),
    },
    {
      key: 'concurrency',
      head: 'At once',
      kind: 'number',
      by: ({ concurrency }) => concurrency ?? -1,
      cell: ({ concurrency }) => (concurrency === null ? <None /> : number(concurrency)),
    },
    {
      key: 'soft',
      head: 'Soft limit',
      kind: 'number',
      by: ({ softTimeLimit }) => softTimeLimit ?? -1,
      cell: ({ softTimeLimit }) => <Duration ms={softTimeLimit} />,
    },
    {
      key: 'hard',
      head: 'Hard limit',
      kind: 'number',
      by: ({ timeLimit }) => timeLimit ?? -1,
      cell: ({ timeLimit }) => <Duration ms={timeLimit} />,
    },
    {
      key: 'actions',
      head: <span class="sr">Actions</span>,
      kind: 'actions',
      cell: (limits) => (
        <LimitsButton
          task={limits.task}
          limits={limits}
          nodes={tasks.find(({ name }) => name === limits.task)?.nodes ?? []}
          done={reload}
        />
      ),
    },
  ];
}

/** Workers take the change: without one there is nobody to tell. */
export function LimitsButton(of: LimitsOf) {
  if (of.nodes.length === 0) return null;
  return (
    <Actions>
      <button type="button" class="small" onClick={() => showDialog(<ChangeLimits {...of} />)}>
        Limits<span class="sr"> of {of.task}</span>
      </button>
    </Actions>
  );
}
