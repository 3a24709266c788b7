import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Celeriac,
  type CeleriacOptions,
  currentTask,
  InvalidArgumentsError,
  MaxRetriesExceededError,
  NotRegisteredError,
  Task,
  TaskFailedError,
  TaskRevokedError,
  TaskService,
} from 'celeriac';
import { type TestingOptions, testing } from 'celeriac/testing';
import { z } from 'zod';
import { onEveryEngine, rejection } from '../support/app.js';

class ReminderService extends TaskService {
  readonly ran: string[] = [];

  @Task('remind')
  async remind(who: string): Promise<string> {
    await this.updateState('PROGRESS', { who });
    this.ran.push(who);
    return `reminded ${who}`;
  }

  @Task('flaky', { maxRetries: 2, defaultRetryDelay: '10m' })
  async flaky(): Promise<string> {
    this.ran.push(`attempt ${this.request.retries}`);
    if (this.request.retries < 2) this.retry();
    return 'at last';
  }
}

onEveryEngine((ground) => {
  describe('testing(app) in mode queue', () => {
    const setUp = (
      t: { after(fn: () => Promise<void>): void },
      options?: CeleriacOptions,
      own?: TestingOptions,
    ) => {
      const { app } = ground.app(t, options);
      const kit = testing(app, { mode: 'queue', broker: ground.url, ...own });
      const service = new ReminderService();
      return { app, kit, service, handles: app.register(service) };
    };

    it('lets time pass over sleeps and timeouts, and answers waits', async (t) => {
      const { app, kit } = setUp(t);
      const order = app.task('order', async function () {
        await this.sleep('cool down', '2h');
        const by = await this.waitFor<string>('approval', { timeout: '3d' }).catch(
          (error: Error) => error.name,
        );
        return `shipped by ${by}`;
      });
      const [late, early] = [await order.delay(), await order.delay()];
      await kit.drain();
      assert.deepEqual([await late.status, await early.status], ['WAITING', 'WAITING']);
      await kit.advance('119m');
      assert.equal(((await early.info) as { kind: string }).kind, 'sleep');
      await kit.advance('1m');
      assert.equal(((await early.info) as { kind: string }).kind, 'wait');
      assert.deepEqual(await early.send('approval', 'ada'), { accepted: true });
      await kit.drain();
      assert.equal(await early.get(), 'shipped by ada');
      await kit.advance('3d');
      assert.equal(await late.get(), 'shipped by WaitTimeoutError');
      assert.equal((await late.snapshot()).steps.length, 2);
    });

    it('records calls and runs them only when drained, in order', async (t) => {
      const { kit, service, handles } = setUp(t);
      const results = [];
      for (const who of ['ann', 'bob', 'cid']) results.push(await handles.remind.delay(who));
      assert.deepEqual(service.ran, []);
      assert.deepEqual(
        kit.sent(handles.remind).map(({ args }) => args),
        [['ann'], ['bob'], ['cid']],
      );
      assert.equal(await results[0]?.status, 'PENDING');
      assert.deepEqual(await kit.drain(), { succeeded: 3, failed: 0, revoked: 0, retried: 0 });
      assert.deepEqual(service.ran, ['ann', 'bob', 'cid']);
      assert.equal(await results[2]?.get(), 'reminded cid');
      const { meta, state } = (await results[0]?.snapshot()) ?? {};
      assert.deepEqual({ meta, state }, { meta: { who: 'ann' }, state: 'SUCCESS' });
      assert.deepEqual(await kit.drain(), { succeeded: 0, failed: 0, revoked: 0, retried: 0 });
    });

    it('shows what was sent: options, headers, sub-calls, other queues', async (t) => {
      const { app, kit, handles } = setUp(t);
      const parent = app.task('parent', async () => {
        await handles.remind.applyAsync(['child'], { queue: 'other', taskId: 'the child' });
      });
      const before = kit.now().getTime();
      const sent = await parent.applyAsync([], {
        headers: { a: 1 },
        priority: 4,
        countdown: '1h',
        expires: '2h',
      });
      const [call] = kit.sent('parent');
      assert(call !== undefined);
      assert.deepEqual([call.id, call.name, call.args, call.queue], [sent.id, 'parent', [], 'celeriac']);
      assert.deepEqual([call.headers, call.priority, call.parentId], [{ a: 1 }, 4, undefined]);
      const inMs = (date: Date | undefined) => Math.round(((date?.getTime() ?? 0) - before) / 600_000);
      assert.deepEqual([inMs(call.eta), inMs(call.expires)], [6, 12]);
      await kit.drain();
      assert.equal(kit.sent(handles.remind).length, 0);
      await kit.advance('1h');
      const [child] = kit.sent(handles.remind);
      assert.deepEqual([child?.id, child?.queue, child?.parentId], ['the child', 'other', sent.id]);
      assert.equal(await app.result('the child').get(), 'reminded child');
      assert.equal(kit.sent().length, 2);
    });

    it('lets time pass: countdown, eta and retries come due at their moment, in order', async (t) => {
      const { kit, service, handles } = setUp(t);
      const start = kit.now().getTime();
      await handles.remind.applyAsync(['later'], { countdown: '15m' });
      await handles.remind.applyAsync(['tomorrow'], { eta: new Date(start + 86_400_000) });
      const flaky = await handles.flaky.delay();
      await kit.drain();
      assert.deepEqual(service.ran, ['attempt 0']);
      assert.equal(await flaky.status, 'RETRY');
      assert.deepEqual(await kit.advance('9m'), { succeeded: 0, failed: 0, revoked: 0, retried: 0 });
      assert.deepEqual(await kit.advance('3m'), { succeeded: 0, failed: 0, revoked: 0, retried: 1 });
      await kit.advance('10m');
      assert.deepEqual(service.ran, ['attempt 0', 'attempt 1', 'later', 'attempt 2']);
      assert.equal(await flaky.get(), 'at last');
      await kit.advance('1d');
      assert.equal(service.ran.at(-1), 'tomorrow');
      assert(kit.now().getTime() - start >= 86_400_000);
    });

    it('fails and revokes as production does', async (t) => {
      const { app, kit, service, handles } = setUp(t);
      const boom = app.task('boom', { maxRetries: 0 }, () => {
        throw new RangeError('too far');
      });
      const again = app.task('again', { maxRetries: 1, defaultRetryDelay: '1h' }, () =>
        currentTask()?.retry(),
      );
      const failed = await boom.delay();
      const exhausted = await again.delay();
      const expired = await handles.remind.applyAsync(['late'], { expires: '1m' });
      const revoked = await handles.remind.applyAsync(['never'], { countdown: '1m' });
      assert.deepEqual(await revoked.revoke(), { found: true, was: 'PENDING' });
      await kit.advance('30s');
      assert.equal(await expired.status, 'PENDING');
      await kit.advance('31s');
      assert.equal(await expired.status, 'REVOKED');
      await kit.drain();
      await kit.advance('2h');
      const error = await rejection(failed.get());
      assert(error instanceof TaskFailedError && error.cause instanceof RangeError);
      assert((await rejection(exhausted.get())).cause instanceof MaxRetriesExceededError);
      assert((await rejection(expired.get())) instanceof TaskRevokedError);
      assert((await rejection(revoked.get())) instanceof TaskRevokedError);
      assert.deepEqual(service.ran, []);
      const wrong = app.task('typed', { args: [z.string()] }, (_: string) => 1);
      assert((await rejection(wrong.delay(1 as never))) instanceof InvalidArgumentsError);
      assert.equal(kit.sent('typed').length, 0);
      const elsewhere = await app.sendTask('of another program', [1]);
      assert.deepEqual(kit.sent('of another program')[0]?.args, [1]);
      await kit.drain();
      assert.equal(await elsewhere.status, 'PENDING');
      await kit.advance('2m');
      assert((await rejection(elsewhere.get())).cause instanceof NotRegisteredError);
    });

    it('keeps unique keys and their ttl by its clock, and rates without waiting', async (t) => {
      const { app, kit } = setUp(t);
      const starts: number[] = [];
      const paced = app.task('paced', { rateLimit: '6/h' }, () => void starts.push(kit.now().getTime()));
      const begun = Date.now();
      for (let n = 0; n < 4; n++) await paced.delay();
      await kit.drain();
      assert.equal(starts.length, 4);
      assert((starts[3] ?? 0) - (starts[0] ?? 0) >= 3 * 600_000, `starts ${starts}`);
      assert(Date.now() - begun < 60_000);
      const once = app.task('once', { unique: { mode: 'return', ttl: '1h' } }, () => 1);
      const [first, second] = [await once.delay(), await once.delay()];
      assert.equal(first.id, second.id);
      assert.equal(kit.sent(once).length, 1);
      await kit.advance('61m');
      const third = await once.delay();
      assert.notEqual(third.id, first.id);
    });

    it('drops at reset() what the test sent, and nothing that was there before', async (t) => {
      const { app, twin } = ground.app(t);
      const theirs = await twin().sendTask('somebody.elses', []);
      const kit = testing(app, { mode: 'queue', broker: ground.url });
      const own = app.task('own', () => 1);
      const [first, second] = [await own.delay(), await own.applyAsync([], { countdown: '1h' })];
      await kit.reset();
      assert.equal(await theirs.exists(), true);
      assert.deepEqual([await first.exists(), await second.exists()], [false, false]);
    });

    it('starts over after reset()', async (t) => {
      const { app, kit, service, handles } = setUp(t);
      const done = await handles.remind.applyAsync(['x'], { taskId: 'the one' });
      await kit.drain();
      await handles.remind.applyAsync(['y'], { countdown: '1h' });
      await kit.advance('30m');
      await kit.reset();
      assert.deepEqual(kit.sent(), []);
      assert(Math.abs(kit.now().getTime() - Date.now()) < 60_000);
      assert.equal((await app.result(done.id).snapshot()).known, false);
      await kit.advance('2h');
      assert.deepEqual(service.ran, ['x']);
      const again = await handles.remind.applyAsync(['z'], { taskId: 'the one' });
      await kit.drain();
      assert.equal(await again.get(), 'reminded z');
    });
  });
});

describe('testing(app) without a broker of yours', () => {
  it('never asks the app’s own: by default tasks wait in memory', async (t) => {
    const app = new Celeriac('elsewhere', { broker: 'redis://127.0.0.1:1' });
    t.after(() => app.close());
    const kit = testing(app);
    const add = app.task('add', (a: number, b: number) => a + b);
    const result = await add.delay(1, 2);
    await kit.drain();
    assert.equal(await result.get(), 3);
  });

  it('runs tasks at the call in mode inline, and keeps what became of them', async (t) => {
    const app = new Celeriac('inline', { broker: 'redis://127.0.0.1:1' });
    t.after(() => app.close());
    const kit = testing(app, { mode: 'inline' });
    const service = new ReminderService();
    const handles = app.register(service);
    const result = await handles.remind.applyAsync(['ann'], { countdown: '1h', taskId: 'mine' });
    assert.deepEqual(service.ran, ['ann']);
    assert.equal(await result.get(), 'reminded ann');
    assert.equal(await app.result('mine').get(), 'reminded ann');
    assert.equal(await handles.remind.result('mine').status, 'SUCCESS');
    assert.equal(await (await app.sendTask('flaky')).get(), 'at last');
    assert.deepEqual(
      kit.sent().map(({ name, args }) => [name, args]),
      [
        ['remind', ['ann']],
        ['flaky', []],
      ],
    );
    assert.equal(
      (await rejection(handles.remind.applyAsync(['x'], { taskId: 'mine' }))).name,
      'DuplicateTaskError',
    );
    await kit.drain();
    await kit.reset();
    assert.deepEqual(kit.sent(), []);
    await handles.remind.applyAsync(['x'], { taskId: 'mine' });
  });

  it('refuses what it does not know', (t) => {
    const app = new Celeriac('wrong', { broker: 'memory://' });
    t.after(() => app.close());
    assert.throws(() => testing(app, { mode: 'fake' as never }), /'inline' or 'queue'/);
    assert.throws(() => testing(app, { concurrency: 0 }), /concurrency/);
    assert.throws(() => testing(app, { brokr: '' } as never), /broker/);
  });
});
