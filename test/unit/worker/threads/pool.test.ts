/** The pool of threads by itself: what a worker's tests would have to wait for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Worker as Thread } from 'node:worker_threads';
import type { Engine } from '#src/broker/broker.js';
import { CeleriacError, type Logger } from '#src/index.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import type { Delivery } from '#src/queue/delivery.js';
import type { TaskApp } from '#src/tasks/context.js';
import { RunningCall } from '#src/worker/run/running-call.js';
import { ThreadPool } from '#src/worker/threads/pool.js';

const FILE = fileURLToPath(import.meta.resolve('../../../fixtures/threads/app.js'));
const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

function poolOf(t: TestContext, idleMs: number): ThreadPool {
  // All that a task asks for that asks for nothing.
  const engine = {
    kind: 'redis',
    address: 'nowhere',
    oneProcess: false,
    signals: { onGap: () => undefined },
    serverTime: async () => Date.now(),
    isUnavailable: () => false,
  } as unknown as Engine;
  const pool = new ThreadPool({
    engine,
    caller: { ask: async () => ({}), close: async () => undefined },
    logger,
    streams: { elsewhere: () => ({ upTo: () => undefined, end: () => undefined }) },
    errors: new ErrorClasses(),
    appName: 'threads',
    prefix: 'threads',
    file: FILE,
    maxTasks: undefined,
    maxMemoryBytes: undefined,
    idleMs,
    node: () => 'n',
  });
  t.after(() => pool.close());
  return pool;
}

/** A call of a task of the fixture; `progress` hears its states. */
function callOf(name: string, progress: (state: object) => void = () => undefined): RunningCall {
  const delivery: Delivery = {
    taskId: 'id',
    jobId: 'id',
    queue: 'q',
    name,
    message: { v: 1, args: [] },
    retries: 0,
    deliveries: 1,
    stalls: 0,
    priority: 0,
    trace: undefined,
    sentAt: Date.now(),
    ref: { queue: 'q', id: 'id' },
    token: 'id',
    turn: { used: () => undefined, unused: () => undefined },
    hasParent: false,
    saveProgress: async (state) => progress(state),
    afterwards: () => undefined,
  };
  const host = { node: 'n', logger, app: {} as TaskApp, stopping: false };
  return new RunningCall(delivery, host, [], { softMs: undefined, hardMs: undefined });
}

describe('ThreadPool', () => {
  const born: Thread[] = [];
  const onThread = (thread: Thread) => born.push(thread);
  before(() => void process.on('worker', onThread));
  after(() => void process.off('worker', onThread));

  it('lets an idle thread go', async (t) => {
    const pool = poolOf(t, 1);
    await pool.verify();
    const thread = born.at(-1);
    assert.ok(thread !== undefined);
    thread.ref(); // an idle one does not keep a process alive by itself
    if (thread.threadId !== -1) await once(thread, 'exit');
    assert.equal(thread.threadId, -1);
  });

  it('starts no thread before one is needed, and no second one while the first is free', async (t) => {
    const pool = poolOf(t, 60_000);
    assert.equal(pool.size, 0);
    assert.equal((await pool.run(callOf('where'))).kind, 'success');
    assert.equal((await pool.run(callOf('where'))).kind, 'success');
    assert.equal(pool.size, 1);
  });

  it('kills the thread of a call whose lock was lost, and has its outcome only then', async (t) => {
    const pool = poolOf(t, 60_000);
    const call: RunningCall = callOf('spin', () =>
      call.end({ kind: 'lost' }, new CeleriacError('the lock is gone')),
    );
    assert.deepEqual(await pool.run(call), { kind: 'lost' });
    assert.equal(born.at(-1)?.threadId, -1);
    assert.equal(pool.size, 0);
  });

  it('leaves the thread of a call that was ended before it began to the next one', async (t) => {
    const pool = poolOf(t, 60_000);
    const call = callOf('where');
    const ending = pool.run(call);
    call.end({ kind: 'handBack' }, new CeleriacError('the worker stops'));
    assert.deepEqual(await ending, { kind: 'handBack' });
    assert.equal((await pool.run(callOf('where'))).kind, 'success');
    assert.equal(pool.size, 1);
  });

  it('refuses calls once it is closed, twice over', async (t) => {
    const pool = poolOf(t, 60_000);
    await pool.verify();
    await Promise.all([pool.close(), pool.close()]);
    assert.equal(pool.size, 0);
    await assert.rejects(pool.run(callOf('where')), /stopped/);
  });
});
