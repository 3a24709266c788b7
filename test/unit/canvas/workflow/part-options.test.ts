import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  NOTHING_PASSED,
  optionsOfTask,
  passedBy,
  passedToMembers,
  passedToStep,
} from '#src/canvas/workflow/part-options.js';

const whole = passedBy(
  { queue: 'slow', countdown: '1s', taskId: 'id', ignoreResult: true, priority: 5, headers: { a: 1, b: 1 } },
  NOTHING_PASSED,
);

describe('The options of a workflow', () => {
  it('stand below a part’s own, and headers are put together', () => {
    assert.deepEqual(optionsOfTask({ priority: 1, queue: 'mine', headers: { b: 2 } }, whole), {
      queue: 'mine',
      countdown: '1s',
      taskId: 'id',
      ignoreResult: true,
      priority: 1,
      headers: { a: 1, b: 2 },
    });
  });

  it('are one due moment, the part’s own', () => {
    const { countdown, eta } = optionsOfTask({ eta: '2030-01-01T00:00:00Z' }, whole);
    assert.deepEqual([countdown, eta], [undefined, '2030-01-01T00:00:00Z']);
  });

  it('do not lose to what is undefined', () => {
    assert.equal(optionsOfTask({ priority: undefined, queue: undefined } as never, whole).priority, 5);
    assert.equal(optionsOfTask({ queue: undefined } as never, whole).queue, 'slow');
  });

  it('go to whom they are meant for', () => {
    const first = optionsOfTask({}, passedToStep(whole, { first: true, last: false }));
    const middle = optionsOfTask({}, passedToStep(whole, { first: false, last: false }));
    const last = optionsOfTask({}, passedToStep(whole, { first: false, last: true }));
    assert.deepEqual([first.queue, first.countdown, first.taskId], ['slow', '1s', undefined]);
    assert.deepEqual(middle, { priority: 5, headers: { a: 1, b: 1 } });
    assert.deepEqual([last.queue, last.taskId, last.ignoreResult], [undefined, 'id', true]);
    assert.throws(() => passedToMembers(whole), /taskId "id" is given to a group/);
  });

  it('of a workflow in another beat those of the outer one', () => {
    const inner = passedBy({ priority: 2, headers: { b: 3, c: 3 } }, whole);
    assert.deepEqual(optionsOfTask({ headers: { c: 4 } }, inner), {
      queue: 'slow',
      countdown: '1s',
      taskId: 'id',
      ignoreResult: true,
      priority: 2,
      headers: { a: 1, b: 3, c: 4 },
    });
  });
});
