/** Whose time limits a call gets, and what remote control changes of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RegisteredTask } from '#src/tasks/registry.js';
import { TimeLimits } from '#src/worker/run/time-limits.js';

const task = (softTimeLimitMs?: number, timeLimitMs?: number) =>
  ({ name: 'render', run: { softTimeLimitMs, timeLimitMs } }) as unknown as RegisteredTask;

describe('time limits', () => {
  it('are those of the call, else of the task, else of the worker', () => {
    const limits = new TimeLimits({ softMs: 1, hardMs: 2 });
    assert.deepEqual(limits.of(task(), {}), { softMs: 1, hardMs: 2 });
    assert.deepEqual(limits.of(task(3, 4), {}), { softMs: 3, hardMs: 4 });
    assert.deepEqual(limits.of(task(3, 4), { soft: null, hard: 9 }), { softMs: undefined, hardMs: 9 });
  });

  it('that are not named in a change stay as they are', () => {
    const limits = new TimeLimits(undefined);
    assert.deepEqual(limits.change(task(10, 60), { softMs: 20 }), { softMs: 20, hardMs: 60 });
    assert.deepEqual(limits.change(task(10, 60), { hardMs: null }), { softMs: 20, hardMs: undefined });
    assert.deepEqual(limits.change(task(10, 60), {}), { softMs: 20, hardMs: undefined });
    assert.deepEqual(limits.of(task(10, 60), {}), { softMs: 20, hardMs: undefined });
  });

  it('are told by task where the task or remote control sets some', () => {
    const limits = new TimeLimits({ softMs: 1, hardMs: 2 });
    assert.deepEqual(limits.ofTasks([task()]), {});
    assert.deepEqual(limits.ofTasks([task(10)]), { render: { softTimeLimit: 10 } });
    limits.change(task(10, 60), { softMs: null });
    assert.deepEqual(limits.ofTasks([task(10, 60)]), { render: { softTimeLimit: null, timeLimit: 60 } });
  });

  it('refuse a soft one that could never act, and stay as they were', () => {
    const limits = new TimeLimits(undefined);
    assert.throws(() => limits.change(task(10, 60), { softMs: 70 }), { code: 'OPTION' });
    assert.deepEqual(limits.of(task(10, 60), {}), { softMs: 10, hardMs: 60 });
  });
});
