import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { TaskRecord } from '#src/coordination/task-record.js';
import { TaskFailedError, TaskRevokedError } from '#src/errors.js';
import { type Message, packStack, readMessage } from '#src/protocol/message.js';
import { ErrorClasses, encodeFailure } from '#src/protocol/wire-error.js';
import { revocationText } from '#src/results/failure-text.js';
import { changesAt, derive, lastCustomState, stateOf } from '#src/results/snapshot.js';
import { EXCEPTION, READY } from '#src/states.js';

const NOW = 1_000_000;

function job(fields: Partial<TaskRecord> = {}, message: Partial<Message> = {}): TaskRecord {
  return {
    kind: 'job',
    id: 'job',
    queue: 'q',
    name: 'task',
    data: JSON.stringify({ v: 1, args: [], ...message }),
    progress: 0,
    returnvalue: undefined,
    failedReason: undefined,
    stack: undefined,
    priority: 0,
    sentAt: NOW - 100,
    delayMs: 0,
    startedAt: undefined,
    doneAt: undefined,
    retries: 0,
    deliveries: 0,
    running: false,
    worker: undefined,
    ...fields,
  };
}

const look = (stored: TaskRecord | undefined, now = NOW) =>
  derive('id', stored, {
    now,
    classes: new ErrorClasses(),
    decodeArgs: (args) => args as unknown[],
    decodeResult: (value) => value,
  });

function failed(error: unknown): Partial<TaskRecord> {
  const wire = encodeFailure(error);
  return {
    doneAt: NOW,
    retries: 1,
    deliveries: 1,
    failedReason: `${wire.name}: ${wire.message}`,
    stack: packStack(wire.stack ?? '', { ...wire, stack: undefined }),
  };
}

/** As a worker stores it of a task that was revoked. */
function revokedJob(error: TaskRevokedError): Partial<TaskRecord> {
  const { message, stack } = revocationText(error);
  return { ...failed(error), failedReason: message, stack };
}

const state = (fields?: Partial<TaskRecord>, message?: Partial<Message>) => look(job(fields, message)).state;

describe('The state of a task', () => {
  it('is PENDING and unknown without a job, PENDING and known with one that waits', () => {
    const unknown = look(undefined);
    assert.deepEqual([unknown.state, unknown.known, unknown.rootId], ['PENDING', false, 'id']);
    const waiting = look(job());
    assert.deepEqual([waiting.state, waiting.known], ['PENDING', true]);
  });

  it('is STARTED while it runs, or the state its present attempt last set', () => {
    const running = { running: true, deliveries: 1, startedAt: NOW };
    assert.equal(state(running), 'STARTED');
    assert.equal(state({ ...running, progress: { state: 'PROGRESS', meta: 1 } }), 'PROGRESS');
    assert.equal(state({ ...running, retries: 1, progress: { state: 'PROGRESS', meta: 1 } }), 'STARTED');
    assert.equal(
      state({ ...running, retries: 1, progress: { state: 'PROGRESS', meta: 1, attempt: 1 } }),
      'PROGRESS',
    );
    assert.equal(state({ ...running, progress: { state: 'SUCCESS', meta: 1 } }), 'STARTED');
    assert.equal(state({ ...running, progress: 42 }), 'STARTED');
    assert.equal(state({ ...running, progress: { percent: 3 } }), 'STARTED');
  });

  it('stays REVOKED when it expired and a worker has it in hand only to end it', () => {
    const late = { running: true, deliveries: 1, startedAt: NOW };
    assert.equal(state(late, { expires: NOW }), 'REVOKED');
    assert.equal(state(late, { expires: NOW + 1 }), 'STARTED');
    assert.equal(state({ ...late, deliveries: 2 }, { expires: NOW }), 'STARTED');
  });

  it('is FAILURE where it failed with the error of another that was revoked', () => {
    const other = new TaskRevokedError({ taskId: 'other', taskName: 'task', reason: 'not wanted' });
    const snapshot = look(job(failed(other)));
    assert.equal(snapshot.state, 'FAILURE');
    assert(snapshot.error instanceof TaskFailedError && snapshot.error.cause instanceof TaskRevokedError);
    assert.equal(state(failed(Object.assign(new Error('mine'), { name: 'TaskRevokedError' }))), 'FAILURE');
  });

  it('is FAILURE by a revoked one before it, REVOKED only as that one', () => {
    const revoked = revokedJob(
      new TaskRevokedError({ taskId: 'before', taskName: 'task', reason: undefined }),
    );
    assert.equal(state(revoked), 'REVOKED');
    const after = look(job({ ...revoked, blame: { taskId: 'before', taskName: 'task' } }));
    assert.equal(after.state, 'FAILURE');
    assert.ok(after.error instanceof TaskFailedError && after.error.cause instanceof TaskRevokedError);
  });

  it('is SUCCESS with a return value, even after attempts that failed', () => {
    const done = { ...failed(new Error('earlier')), returnvalue: '{"a":1}' };
    const snapshot = look(job(done));
    assert.deepEqual([snapshot.state, snapshot.value, snapshot.error], ['SUCCESS', { a: 1 }, undefined]);
  });

  it('is FAILURE with the error as get() throws it, or REVOKED for a revocation', () => {
    const failure = look(job(failed(new RangeError('far'))));
    assert.equal(failure.state, 'FAILURE');
    assert(failure.error instanceof TaskFailedError && failure.error.cause instanceof RangeError);
    const revoked = look(job(revokedJob(new TaskRevokedError({ taskId: 'id', reason: 'not wanted' }))));
    assert.equal(revoked.state, 'REVOKED');
    assert(revoked.error instanceof TaskRevokedError);
    assert.equal(revoked.error.reason, 'not wanted');
  });

  it('is FAILURE with its plain reason when another program failed the job', () => {
    const { state: now, error } = look(
      job({ doneAt: NOW, failedReason: 'boom', stack: 'Error: boom\n    at x' }),
    );
    assert.equal(now, 'FAILURE');
    assert.match(error?.message ?? '', /boom/);
    assert.equal(look(job({ doneAt: NOW, failedReason: 'no stack' })).state, 'FAILURE');
  });

  it('is RETRY between two attempts, with the cause', () => {
    const waiting = { ...failed(new RangeError('again')), doneAt: undefined };
    const snapshot = look(job(waiting));
    assert.equal(snapshot.state, 'RETRY');
    assert(snapshot.error instanceof RangeError);
    assert.equal(snapshot.retries, 1);
  });

  it('is REVOKED from the moment it expires unstarted, by nobody’s doing', () => {
    const expiring = job({}, { expires: NOW });
    assert.equal(look(expiring, NOW - 1).state, 'PENDING');
    assert.equal(look(expiring, NOW).state, 'REVOKED');
    assert.equal(changesAt(expiring), NOW);
    assert.equal(changesAt(job({ deliveries: 1 }, { expires: NOW })), undefined);
    assert.equal(
      state({ deliveries: 1, retries: 1 }, { expires: NOW }),
      'RETRY',
      'one that had started goes on',
    );
  });

  const anyJob = fc
    .record({
      doneAt: fc.option(fc.constant(NOW), { nil: undefined }),
      returnvalue: fc.option(fc.constantFrom('null', '1', '"x"'), { nil: undefined }),
      failedReason: fc.option(fc.string(), { nil: undefined }),
      stack: fc.option(fc.oneof(fc.string(), fc.constant(failed(new Error('x')).stack ?? '')), {
        nil: undefined,
      }),
      running: fc.boolean(),
      retries: fc.nat(5),
      deliveries: fc.nat(5),
      startedAt: fc.option(fc.constant(NOW), { nil: undefined }),
      progress: fc.oneof(
        fc.jsonValue(),
        fc.record({
          state: fc.constantFrom('PROGRESS', 'SUCCESS', 'X'),
          meta: fc.jsonValue(),
          attempt: fc.nat(5),
        }),
      ),
      expires: fc.option(fc.integer({ min: NOW - 5, max: NOW + 5 }), { nil: undefined }),
    })
    .map(({ expires, ...fields }) => job(fields, expires === undefined ? {} : { expires }));

  it('is derived from any job there can be, without throwing, and fits the rest of the snapshot', () => {
    fc.assert(
      fc.property(anyJob, (stored) => {
        const snapshot = look(stored);
        assert.equal(snapshot.state, stateOf(stored, readMessage(stored.data), NOW));
        assert.equal(snapshot.known, true);
        if (snapshot.state === 'SUCCESS' || !EXCEPTION.has(snapshot.state))
          assert.equal(snapshot.error, undefined);
        if (snapshot.state === 'FAILURE' || snapshot.state === 'REVOKED')
          assert(snapshot.error instanceof Error);
        if (snapshot.state !== 'SUCCESS') assert.equal(snapshot.value, undefined);
        assert(snapshot.retries >= 0);
      }),
    );
  });

  it('once ended never changes, whatever the clock says and the task still tells', () => {
    fc.assert(
      fc.property(anyJob, fc.integer({ min: 0, max: 2 * NOW }), fc.jsonValue(), (stored, now, progress) => {
        fc.pre(stored.doneAt !== undefined);
        const later: TaskRecord = { ...stored, progress };
        assert(READY.has(look(stored).state));
        assert.equal(look(later, now).state, look(stored).state);
      }),
    );
  });

  it('only ever becomes REVOKED by the clock, and stays it', () => {
    fc.assert(
      fc.property(anyJob, fc.nat(20), (stored, ms) => {
        const [before, after] = [look(stored, NOW).state, look(stored, NOW + ms).state];
        if (before !== after) assert.equal(after, 'REVOKED');
        if (before === 'REVOKED') assert.equal(after, 'REVOKED');
      }),
    );
  });

  it('of the task’s own making is remembered after the end', () => {
    assert.deepEqual(lastCustomState(job({ progress: { state: 'PROGRESS', meta: 7 } })), {
      state: 'PROGRESS',
      meta: 7,
      attempt: 0,
    });
    assert.equal(lastCustomState(job({ progress: { state: 'SUCCESS', meta: 7 } })), undefined);
    assert.equal(lastCustomState(job({ progress: 50 })), undefined);
  });

  it('tells of no start of what a worker only ended, and of the start of what it ran', () => {
    const ended = (unstarted: boolean) => {
      const error = new TaskRevokedError({ taskId: 'id', taskName: 'task', reason: 'no' });
      const { message: failedReason, stack } = revocationText(error, !unstarted);
      const run = { doneAt: NOW, startedAt: NOW - 5, worker: 'w', retries: 1, deliveries: 1 };
      return look(job({ ...run, failedReason, stack }));
    };
    const dropped = ended(true);
    assert.deepEqual([dropped.state, dropped.startedAt, dropped.worker], ['REVOKED', undefined, undefined]);
    const ran = ended(false);
    assert.deepEqual([ran.state, ran.startedAt, ran.worker], ['REVOKED', new Date(NOW - 5), 'w']);
    const held = look(
      job({ running: true, deliveries: 1, startedAt: NOW - 5, worker: 'w' }, { revoked: { reason: 'no' } }),
    );
    assert.deepEqual([held.state, held.startedAt, held.worker], ['REVOKED', undefined, undefined]);
    const again = { revoked: { started: true as const, delivery: 1 } };
    assert.equal(look(job({ running: true, deliveries: 1 }, again)).state, 'STARTED');
    assert.equal(look(job({ running: true, deliveries: 2, retries: 1 }, again)).state, 'REVOKED');
  });
});
