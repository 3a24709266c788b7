/** The picture that `app.fleet()` keeps: of tasks, of workers, and what it is begun with. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac } from 'celeriac';
import { Fleet } from '#src/events/fleet.js';
import { FleetTasks } from '#src/events/fleet-tasks.js';
import { FleetWorkers } from '#src/events/fleet-workers.js';
import type { FleetEvent } from '#src/events/names.js';

let at = 1_000;
const task = (type: string, id: string, more: object = {}) =>
  ({ type, id, name: 'add', queue: 'celeriac', timestamp: ++at, ...more }) as never;
const run = (type: string, id: string, more: object = {}) =>
  task(type, id, { node: 'n', pid: 7, retries: 0, ...more });
const beat = (type: string, node: string, more: object = {}) =>
  ({
    type,
    node,
    timestamp: ++at,
    pid: 7,
    active: 1,
    processed: 2,
    concurrency: 3,
    queues: ['celeriac'],
    loadavg: [0.5, 1, 2],
    freq: 2000,
    version: '1',
    ...more,
  }) as never;

describe('The tasks of the picture', () => {
  it('have what their events said, one after the other', () => {
    const tasks = new FleetTasks(10);
    const [sentAt, receivedAt] = [at + 1, at + 2];
    tasks.take(task('task-sent', 'a', { rootId: 'a', parentId: 'p', eta: 5, tags: ['x'], shadow: 'sum' }));
    assert.equal(tasks.get('a')?.state, 'PENDING');
    tasks.take(run('task-received', 'a', { rootId: 'a', sentAt, deliveries: 1, tags: ['x'] }));
    assert.equal(tasks.get('a')?.state, 'RECEIVED');
    tasks.take(run('task-started', 'a'));
    tasks.take(run('task-progress', 'a', { state: 'HALFWAY', meta: { percent: 50 } }));
    assert.deepEqual([tasks.get('a')?.state, tasks.get('a')?.meta], ['HALFWAY', { percent: 50 }]);
    tasks.take(run('task-retried', 'a', { runtime: 4, exception: 'Error: no', countdown: 1 }));
    assert.equal(tasks.get('a')?.state, 'RETRY');
    tasks.take(run('task-started', 'a', { retries: 1, node: 'm' }));
    tasks.take(run('task-succeeded', 'a', { retries: 1, node: 'm', runtime: 9 }));
    assert.deepEqual(tasks.get('a'), {
      id: 'a',
      name: 'add',
      shadow: 'sum',
      tags: [],
      queue: 'celeriac',
      state: 'SUCCESS',
      node: 'm',
      pid: 7,
      retries: 1,
      rootId: 'a',
      parentId: 'p',
      eta: new Date(5),
      sentAt: new Date(sentAt),
      receivedAt: new Date(receivedAt),
      startedAt: new Date(at - 1),
      endedAt: new Date(at),
      runtimeMs: 9,
      exception: 'Error: no',
      meta: { percent: 50 },
      updatedAt: new Date(at),
    });
  });

  it('take from a late event what they lack, and no state', () => {
    const tasks = new FleetTasks(10);
    const started = run('task-started', 'a');
    tasks.take(run('task-failed', 'a', { runtime: 1, exception: 'Error: no' }));
    tasks.take(started);
    const { state, startedAt, endedAt } = tasks.get('a') ?? {};
    assert.deepEqual([state, startedAt, endedAt], ['FAILURE', new Date(at - 1), new Date(at)]);
    tasks.take(task('task-sent', 'a', { rootId: 'a' }));
    assert.deepEqual([tasks.get('a')?.state, tasks.get('a')?.endedAt], ['PENDING', undefined], 'sent again');
  });

  it('that are handed back wait again, and what has no state of a task changes nothing', () => {
    const tasks = new FleetTasks(10);
    tasks.take(run('task-started', 'a'));
    tasks.take(run('task-rejected', 'a', { requeue: true }));
    assert.equal(tasks.get('a')?.state, 'PENDING');
    tasks.take(run('task-rejected', 'a', { requeue: false }));
    tasks.take(run('order-packed', 'a', { state: 'X' }));
    tasks.take(run('order-packed', 'b'));
    assert.deepEqual(
      tasks.list().map(({ id, state }) => [id, state]),
      [['a', 'PENDING']],
    );
  });

  it('are no more than told: ended ones go first', () => {
    const tasks = new FleetTasks(3);
    const ids = () => tasks.list().map(({ id }) => id);
    tasks.take(run('task-started', 'a'));
    tasks.take(run('task-succeeded', 'b', { runtime: 1 }));
    tasks.take(run('task-started', 'c'));
    tasks.take(run('task-started', 'd'));
    assert.deepEqual(ids(), ['d', 'c', 'a']);
    tasks.take(run('task-progress', 'a', { state: 'ALIVE' }));
    tasks.take(run('task-started', 'e'));
    assert.deepEqual(ids(), ['e', 'a', 'd']);
  });

  it('are put right by what their worker runs: unknown ones come, missed ends go', () => {
    const tasks = new FleetTasks(10);
    tasks.take(run('task-started', 'ended unheard'));
    tasks.take(run('task-started', 'elsewhere', { node: 'm' }));
    tasks.take(task('task-sent', 'waits', { rootId: 'waits' }));
    const asked = ++at;
    tasks.take(run('task-started', 'since then'));
    const running = {
      id: 'before',
      name: 'add',
      queue: 'q',
      retries: 2,
      pid: 9,
      startedAt: '1970-01-01T00:00:00.500Z',
    };
    tasks.reconcile('n', [running], asked);
    assert.deepEqual(
      tasks.list().map(({ id, state }) => [id, state]),
      [
        ['since then', 'STARTED'],
        ['waits', 'PENDING'],
        ['elsewhere', 'STARTED'],
        ['before', 'STARTED'],
      ],
    );
    assert.deepEqual(tasks.get('before')?.startedAt, new Date(500));
  });
});

describe('The workers of the picture', () => {
  it('are as they were heard last, and gone for five minutes', () => {
    const workers = new FleetWorkers(10);
    workers.take(beat('worker-online', 'b'), 1_000);
    workers.take(beat('worker-heartbeat', 'a', { active: 0 }), 2_000);
    workers.take(beat('worker-offline', 'b'), 3_000);
    const [a, b] = workers.list(4_000);
    assert.deepEqual([a?.node, a?.alive, a?.active, a?.seenAt], ['a', true, 0, new Date(2_000)]);
    assert.deepEqual([b?.node, b?.alive, b?.lost], ['b', false, false]);
    workers.take({ type: 'worker-lost', node: 'a', timestamp: 1 }, 5_000);
    const { alive, lost } = workers.get('a', 5_000) ?? {};
    assert.deepEqual([alive, lost], [false, true]);
    workers.take(beat('worker-heartbeat', 'a'), 6_000);
    assert.equal(workers.get('a', 6_000)?.lost, false);
    assert.deepEqual(
      workers.list(303_001).map(({ node }) => node),
      ['a'],
    );
  });

  it('are no more than told, and begin with their answers', () => {
    const workers = new FleetWorkers(2);
    const answer = {
      pid: 1,
      running: 4,
      processed: { a: 1, b: 2 },
      concurrency: 5,
      queues: [{ name: 'q' }],
      version: '1',
    };
    workers.know('a', answer, 1);
    assert.deepEqual(workers.get('a', 1), {
      node: 'a',
      pid: 1,
      alive: true,
      lost: false,
      active: 4,
      processed: 3,
      concurrency: 5,
      queues: ['q'],
      loadavg: [],
      version: '1',
      seenAt: new Date(1),
    });
    workers.take(beat('worker-heartbeat', 'b'), 2);
    workers.know('b', answer, 3);
    assert.equal(workers.get('b', 3)?.pid, 7, 'what it said itself stays');
    workers.take(beat('worker-heartbeat', 'c'), 4);
    assert.deepEqual(
      workers.list(4).map(({ node }) => node),
      ['b', 'c'],
    );
  });
});

describe('app.fleet()', () => {
  it('counts events, asks again after missed ones, and stays as it was when it is closed', async () => {
    const events: FleetEvent[] = [];
    let wake: () => void = () => undefined;
    let asked = 0;
    const stream = (signal: AbortSignal) =>
      Object.assign(
        (async function* () {
          signal.addEventListener('abort', () => wake());
          while (!signal.aborted) {
            yield* events.splice(0);
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        })(),
        { started: Promise.resolve() },
      );
    const fleet = new Fleet({
      events: { stream: ({ signal }: { signal: AbortSignal }) => stream(signal) } as never,
      clock: { now: () => at },
      ask: async () => {
        asked++;
        return { stats: { dead: { error: 'no answer' } }, active: { dead: { error: 'no answer' } } };
      },
    });
    await fleet.ready;
    assert.equal(asked, 1);
    assert.equal(fleet.snapshot().complete, false, 'one has not answered');
    events.push(task('task-sent', 'a', { rootId: 'a' }), { type: 'events-lost', timestamp: 1, count: 5 });
    wake();
    await new Promise((resolve) => setImmediate(resolve));
    await fleet.close();
    const { counts, lost, tasks, workers } = fleet.snapshot();
    assert.deepEqual([counts, lost, workers], [{ 'task-sent': 1, 'events-lost': 1 }, 5, []]);
    assert.deepEqual(
      [tasks.length, fleet.task('a')?.state, fleet.task('b'), fleet.worker('n')],
      [1, 'PENDING', undefined, undefined],
    );
    await fleet.close();
  });

  it('refuses wrong options, and ends with its app', async () => {
    const app = new Celeriac('fleet', { broker: 'redis://127.0.0.1:1/0', publishRetry: '50ms' });
    assert.throws(() => app.fleet({ maxTasks: 0 }), { code: 'OPTION', message: /maxTasks/ });
    assert.throws(() => app.fleet({ tasks: 1 } as never), { code: 'OPTION' });
    const fleet = app.fleet();
    await assert.rejects(fleet.ready, { code: 'BROKER_UNAVAILABLE' });
    await app.close();
    await fleet.close();
    assert.deepEqual(fleet.snapshot().tasks, []);
  });
});
