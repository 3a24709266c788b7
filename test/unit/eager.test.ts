import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AsyncResult,
  BrokerUnavailableError,
  Celeriac,
  type CeleriacOptions,
  currentTask,
  EagerResult,
  Ignore,
  InvalidArgumentsError,
  NotRegisteredError,
  NotSerializableError,
  OptionError,
  Task,
  TaskFailedError,
  TaskRevokedError,
  TaskService,
} from 'celeriac';
import { z } from 'zod';
import { rejection } from '../support/app.js';

/** A broker nobody answers at: whoever asks it fails. */
const NOWHERE = 'redis://127.0.0.1:1/0';

function eagerApp(t: { after(fn: () => Promise<void>): void }, options: CeleriacOptions = {}): Celeriac {
  const app = new Celeriac('eager', {
    broker: NOWHERE,
    publishRetry: '50ms',
    taskAlwaysEager: true,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    ...options,
  });
  t.after(() => app.close());
  return app;
}

class Payment extends Error {
  override name = 'Payment';
}

class ShopService extends TaskService {
  @Task('shop.total')
  async total(items: { price: number }[]): Promise<number> {
    await this.updateState('PROGRESS', { at: 'start' });
    await this.updateState('SUCCESS', { at: 'end' });
    return items.reduce((sum, { price }) => sum + price, 0);
  }

  @Task('shop.pay', { autoretryFor: [Payment], maxRetries: 2, retryBackoff: '1h' })
  async pay(): Promise<never> {
    attempts.push(this.request.retries);
    throw new Payment('no money');
  }
}

const attempts: number[] = [];

describe('taskAlwaysEager', () => {
  it('runs delay() and applyAsync() here and now, without a broker', async (t) => {
    const app = eagerApp(t);
    const shop = app.register(ShopService);
    const result = await shop.total.delay([{ price: 2 }, { price: 3 }]);
    assert(result instanceof EagerResult && result instanceof AsyncResult);
    assert.equal(await result.get({ timeout: '1s' }), 5);
    const options = {
      countdown: '1h',
      queue: 'slow',
      taskId: 'mine',
      headers: { a: 1 },
      priority: 3,
    } as const;
    const named = await shop.total.applyAsync([[{ price: 1 }]], options);
    assert.equal(named.id, 'mine');
    const { state, known, value, name, args, queue, headers, rootId, retries, doneAt } =
      await named.snapshot();
    assert.deepEqual(
      { state, known, value, name, args, queue, headers, rootId, retries },
      {
        state: 'SUCCESS',
        known: true,
        value: 1,
        name: 'shop.total',
        args: [[{ price: 1 }]],
        queue: 'slow',
        headers: { a: 1 },
        rootId: 'mine',
        retries: 0,
      },
    );
    assert(doneAt instanceof Date);
  });

  it('answers everything an AsyncResult is asked', async (t) => {
    const { total } = eagerApp(t).register(ShopService);
    const result = await total.delay([]);
    assert.deepEqual(
      [await result.status, await result.state, await result.result, await result.info, await result.ready()],
      ['SUCCESS', 'SUCCESS', 0, 0, true],
    );
    assert.deepEqual(
      [await result.successful(), await result.failed(), await result.exists()],
      [true, false, true],
    );
    assert.equal(await result.traceback, undefined);
    assert((await result.dateDone) instanceof Date);
    assert.deepEqual(result.toJSON(), { id: result.id, name: 'shop.total' });
    const updates = [
      { state: 'PROGRESS', meta: { at: 'start' } },
      { state: 'STARTED', meta: { at: 'end' } },
      { state: 'SUCCESS', meta: { at: 'end' } },
    ];
    const watched: unknown[] = [];
    for await (const update of result.updates()) watched.push(update);
    assert.deepEqual(watched, updates);
    const seen: unknown[] = [];
    await result.get({ onUpdate: (update) => seen.push(update) });
    assert.deepEqual(seen, updates);
    const self = { id: result.id, name: 'shop.total', state: 'SUCCESS' };
    assert.deepEqual(await result.graph(), { nodes: [self], edges: [] });
    assert.deepEqual([await result.children, result.parent], [[], undefined]);
    assert.deepEqual(await result.revoke(), { found: true, was: 'SUCCESS' });
    await result.forget();
    assert.equal(await result.get(), 0);
  });

  it('retries at once and fails as a worker would have it', async (t) => {
    attempts.length = 0;
    const result = await eagerApp(t).register(new ShopService()).pay.delay();
    assert.deepEqual(attempts, [0, 1, 2]);
    assert.equal(await result.status, 'FAILURE');
    const error = await rejection(result.get());
    assert(error instanceof TaskFailedError);
    assert(error.cause instanceof Payment);
    assert.equal(await result.get({ propagate: false }), error);
    assert.equal(await result.result, error);
    assert.match((await result.traceback) ?? '', /no money[\s\S]*eager\.test/);
    assert.equal((await result.snapshot()).retries, 2);
  });

  it('throws at the call with taskEagerPropagates, the error itself', async (t) => {
    const app = eagerApp(t, { taskEagerPropagates: true });
    const { pay, total } = app.register(new ShopService());
    assert((await rejection(pay.delay())) instanceof Payment);
    assert((await rejection(pay.applyAsync([]))) instanceof Payment);
    assert((await rejection(pay.apply([]))) instanceof Payment);
    assert((await rejection(app.publish([pay.s()]))) instanceof Payment);
    assert.equal(await (await total.delay([])).get(), 0);
  });

  it('passes arguments and results through the serializer, and refuses what would not arrive', async (t) => {
    const app = eagerApp(t);
    class Point {
      constructor(readonly x: number) {}
    }
    const seen: unknown[] = [];
    const echo = app.task('echo', (value: unknown) => {
      seen.push(value);
      return value;
    });
    const point = new Point(1);
    const value = await (await echo.delay(point)).get();
    assert.deepEqual([seen, value], [[{ x: 1 }], { x: 1 }]);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert((await rejection(echo.delay(new Map()))) instanceof NotSerializableError);
    const odd = app.task('odd', () => new Map());
    assert((await rejection((await odd.delay()).get())).cause instanceof NotSerializableError);
    const checked = app.task('checked', { args: [z.string()] }, (_: string) => 1);
    assert((await rejection(checked.delay(1 as never))) instanceof InvalidArgumentsError);
    assert.equal(seen.length, 1);
  });

  it('keeps middleware, routes and the tree of calls', async (t) => {
    const app = eagerApp(t, { routes: { inner: 'deep' } });
    const ran: string[] = [];
    app.use({
      publish: (context, next) => {
        if (context.name === 'outer') context.headers.tenant = 'acme';
        context.propagate('tenant');
        return next();
      },
      run: (context, next) => {
        ran.push(context.request.name);
        return next();
      },
    });
    const inner = app.task('inner', () => {
      const { queue, rootId, parentId, headers, isEager } = currentTask()?.request ?? {};
      return { queue, rootId, parentId, headers, isEager };
    });
    const outer = app.task('outer', async () => (await inner.delay()).get({ allowJoin: true }));
    const result = await outer.applyAsync([], { taskId: 'top' });
    assert.deepEqual(await result.get(), {
      queue: 'deep',
      rootId: 'top',
      parentId: 'top',
      headers: { tenant: 'acme' },
      isEager: true,
    });
    assert.deepEqual(ran, ['outer', 'inner']);
  });

  it('refuses to wait inside a task, as a worker would', async (t) => {
    const app = eagerApp(t);
    const inner = app.task('inner', () => 1);
    const outer = app.task('outer', async () => (await inner.delay()).get());
    assert.match((await rejection((await outer.delay()).get())).message, /inside a running task/);
  });

  it('reads REVOKED for what has expired, and has no value after Ignore', async (t) => {
    const app = eagerApp(t);
    const late = app.task('late', { expires: new Date(0) }, () => 1);
    assert((await rejection((await late.delay()).get())) instanceof TaskRevokedError);
    const quiet = app.task('quiet', () => {
      throw new Ignore();
    });
    assert.equal(await (await quiet.delay()).get(), undefined);
  });

  it('needs the task’s code here, and leaves sendTask to the broker', async (t) => {
    const app = eagerApp(t);
    const { total } = app.tasks(ShopService);
    assert((await rejection(total.delay([]))) instanceof NotRegisteredError);
    app.register(ShopService);
    assert.equal(await (await total.delay([])).get(), 0);
    assert((await rejection(app.sendTask('shop.total', [[]]))) instanceof BrokerUnavailableError);
  });

  it('is a yes or a no', () => {
    for (const option of ['taskAlwaysEager', 'taskEagerPropagates'])
      assert.throws(() => new Celeriac('wrong', { [option]: 'yes' }), OptionError);
  });
});
