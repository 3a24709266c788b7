/** What the page makes of the answers of workers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limitViews } from '#src/web/views/limit-list.js';
import { knownTasks } from '#src/web/views/task-list.js';
import { limitsIn, workerViews } from '#src/web/views/worker-list.js';

describe('Limits as the page shows them', () => {
  it('are those that workers say, the shortest where they differ, else those declared here', () => {
    const declared = new Map([
      ['render', { softTimeLimit: 9, timeLimit: 90 }],
      ['send', { concurrency: 2 }],
    ]);
    const onWorkers = [
      { render: { softTimeLimit: 5, timeLimit: null } },
      { render: { softTimeLimit: 3, timeLimit: null } },
      {},
    ];
    const views = limitViews(
      ['render', 'send', 'toString', 'x'],
      [undefined, '10/s', undefined, undefined],
      declared,
      onWorkers,
    );
    assert.deepEqual(views, [
      { task: 'render', rate: null, concurrency: null, timeLimit: null, softTimeLimit: 3 },
      { task: 'send', rate: '10/s', concurrency: 2, timeLimit: null, softTimeLimit: null },
    ]);
  });

  it('are looked for among all tasks that workers have', () => {
    const registered = { one: ['a', 'celeriac.own'], two: { error: 'no answer' } };
    assert.deepEqual(knownTasks(['b'], registered, undefined), ['a', 'b']);
  });

  it("are read from a worker's own settings, as is its autoscaling", () => {
    const conf = { one: { worker: { autoscale: { min: 1, max: 9 }, timeLimit: 60, taskLimits: {} } } };
    const [view] = workerViews(
      { stats: { one: { error: 'busy' } }, active: {}, conf } as unknown as Parameters<typeof workerViews>[0],
      [],
      0,
    );
    assert.deepEqual(view?.autoscale, { min: 1, max: 9 });
    assert.deepEqual(view?.limits, { timeLimit: 60, taskLimits: {} });
    assert.deepEqual(limitsIn({ error: 'busy' }), {});
  });
});
