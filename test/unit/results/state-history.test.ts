import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TaskRecord } from '#src/coordination/task-record.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import { derive } from '#src/results/snapshot.js';
import { StateHistory } from '#src/results/state-history.js';

const WAITING: TaskRecord = {
  kind: 'job',
  id: 'a-0@q',
  queue: 'q',
  name: 'task',
  data: '{"v":1,"args":[]}',
  progress: undefined,
  returnvalue: undefined,
  failedReason: undefined,
  stack: undefined,
  priority: 0,
  sentAt: 1_000,
  delayMs: 0,
  startedAt: undefined,
  doneAt: undefined,
  retries: 0,
  deliveries: 0,
  running: false,
  worker: undefined,
};

const running = (retries: number, progress?: object): TaskRecord => ({
  ...WAITING,
  running: true,
  retries,
  deliveries: retries + 1,
  progress: progress && { ...progress, ...(retries > 0 && { attempt: retries }) },
});
const retrying = (retries: number, progress?: object): TaskRecord => ({
  ...running(retries - 1, progress),
  running: false,
  retries,
});
/** BullMQ counts the last attempt too. */
const ended = (retries: number, progress?: object): TaskRecord => ({
  ...WAITING,
  retries: retries + 1,
  deliveries: retries + 1,
  doneAt: 2_000,
  returnvalue: '1',
  progress,
});

const CONTEXT = {
  now: 1_500,
  classes: new ErrorClasses(),
  decodeArgs: (args: unknown) => args as unknown[],
  decodeResult: (value: unknown) => value,
};

/** What is told after looks at these, one after the other. */
function told(...looks: TaskRecord[]): string[] {
  const course = new StateHistory();
  return looks.flatMap((job) =>
    [...course.steps(job, derive(job.id, job, CONTEXT))].map(({ state, meta }) =>
      meta === undefined ? state : `${state} ${JSON.stringify(meta)}`,
    ),
  );
}

const ONE = { state: 'PROGRESS', meta: 1 };
const TWO = { state: 'PROGRESS', meta: 2 };

describe('The course of a task', () => {
  it('tells each state once, however often it is looked at', () => {
    assert.deepEqual(told(WAITING, WAITING, running(0), running(0, ONE), running(0, ONE), ended(0, ONE)), [
      'PENDING',
      'STARTED',
      'PROGRESS 1',
      'SUCCESS 1',
    ]);
  });

  it('tells what the task said last before its end, though nobody looked in between', () => {
    assert.deepEqual(told(ended(0, TWO)), ['PROGRESS 2', 'SUCCESS 2']);
    assert.deepEqual(told(running(0, ONE), ended(0, TWO)), ['PROGRESS 1', 'PROGRESS 2', 'SUCCESS 2']);
    assert.deepEqual(told(retrying(1), ended(1, { ...TWO, attempt: 1 })), [
      'RETRY',
      'PROGRESS 2',
      'SUCCESS 2',
    ]);
    assert.deepEqual(told(WAITING, ended(1, ONE)), ['PENDING', 'PROGRESS 1', 'SUCCESS 1']);
  });

  it('does not tell again, after what came later, what an earlier attempt said', () => {
    assert.deepEqual(told(running(0, ONE), retrying(1, ONE), running(1), ended(1, ONE)), [
      'PROGRESS 1',
      'RETRY 1',
      'STARTED',
      'SUCCESS 1',
    ]);
    assert.deepEqual(told(retrying(1, ONE), ended(1, ONE)), ['RETRY 1', 'SUCCESS 1']);
  });

  it('has begun once there was something to look at', () => {
    const course = new StateHistory();
    assert.equal(course.begun, false);
    assert.equal([...course.steps(WAITING, derive(WAITING.id, WAITING, CONTEXT))].length, 1);
    assert.equal(course.begun, true);
  });
});
