/** The time limits on one worker: its own, and those of its tasks as they are there now. */
import type { WorkerView } from '../../../src/web/api.js';
import type { TaskLimitsView } from '../../../src/web/worker-limits.js';
import { duration } from '../../core/time.js';
import { Duration, None, Text } from '../../ui/bits.js';
import { type Column, Table } from '../../ui/table.js';

type Limited = readonly [task: string, limits: TaskLimitsView];

export function WorkerLimits({ limits }: { limits: WorkerView['limits'] }) {
  const { softTimeLimit, timeLimit, taskLimits = {} } = limits;
  const tasks = Object.entries(taskLimits).filter(
    ([, { softTimeLimit: soft, timeLimit: hard }]) => soft !== undefined || hard !== undefined,
  );
  const own = [
    ...(softTimeLimit === undefined ? [] : [`soft ${duration(softTimeLimit)}`]),
    ...(timeLimit === undefined ? [] : [`hard ${duration(timeLimit)}`]),
  ];
  return (
    <>
      <h2>Time limits</h2>
      <p class="sub">
        {own.length === 0
          ? 'Tasks without their own have none.'
          : `Of tasks without their own: ${own.join(', ')}.`}{' '}
        The command Time limit sets those of a task here; rates are with the <a href="#/tasks">tasks</a>.
      </p>
      {tasks.length > 0 && (
        <Table
          caption="Time limits of tasks on this worker"
          columns={COLUMNS}
          rows={tasks}
          id={([task]) => task}
          sortName="limit"
        />
      )}
    </>
  );
}

const COLUMNS: readonly Column<Limited>[] = [
  { key: 'task', head: 'Task', kind: 'grow', by: ([task]) => task, cell: ([task]) => <Text>{task}</Text> },
  { key: 'soft', head: 'Soft limit', kind: 'number', cell: ([, { softTimeLimit }]) => limit(softTimeLimit) },
  { key: 'hard', head: 'Hard limit', kind: 'number', cell: ([, { timeLimit }]) => limit(timeLimit) },
];

/** Absent: the worker's holds. */
function limit(ms: number | null | undefined) {
  if (ms === undefined) return <None />;
  return ms === null ? 'lifted' : <Duration ms={ms} />;
}
