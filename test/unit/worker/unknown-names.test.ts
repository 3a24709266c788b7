/** A producer may give each task a name of its own: what nobody here knows is counted as one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WorkerHealth } from '#src/worker/observe/health.js';
import { TaskLog } from '#src/worker/observe/task-log.js';

const delivery = (name: string) =>
  ({ name, taskId: name, queue: 'q', deliveries: 2, sentAt: 0, message: {} }) as never;
const execution = (task?: { name: string }) =>
  ({
    outcome: { kind: 'failure', error: new Error('x') },
    task: task && { ...task, run: { throws: [] } },
    runtimeMs: 1,
  }) as never;

describe('tasks with names that no worker knows', () => {
  it('are one count in the statistics of a worker', () => {
    const silent = { info() {}, warn() {}, error() {}, debug() {} };
    const log = new TaskLog(silent as never);
    for (let n = 0; n < 1_000; n++) log.ended(delivery(`email-${n}`), execution());
    log.ended(delivery('known'), execution({ name: 'known' }));
    assert.deepEqual(log.processed(), { '(unknown)': 1_000, known: 1 });
    assert.equal(log.total, 1_001);
  });

  it('are one series in its metrics', async () => {
    const vitals = new WorkerHealth({
      measured: true,
      health: undefined,
      engine: {},
      running: () => 0,
      concurrency: () => 1,
      slots: () => ({ size: 1, used: 0, free: 1 }),
    } as never);
    await vitals.open();
    for (let n = 0; n < 1_000; n++) vitals.ended(delivery(`email-${n}`), execution());
    vitals.ended(delivery('known'), execution({ name: 'known' }));
    const tasks = (await vitals.metrics()).find(
      (metric) => Reflect.get(metric, 'name') === 'celeriac_tasks_total',
    );
    const values = Reflect.get(tasks ?? {}, 'values') as { value: number; labels: { task: string } }[];
    assert.deepEqual(
      values.map(({ value, labels }) => [labels.task, value]),
      [
        ['(unknown)', 1_000],
        ['known', 1],
      ],
    );
  });
});
