/** Steps, sleeps and waits of tasks, on real brokers. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { StepError, states, Task, TaskService, WaitTimeoutError } from 'celeriac';
import { onEveryEngine, rejection, until, within } from '../support/app.js';

onEveryEngine((ground) => {
  it('runs a step once, whatever fails later', async (t) => {
    const { app, worker } = ground.app(t);
    const ran: string[] = [];
    const keys: string[] = [];
    const order = app.task('order', { maxRetries: 3, defaultRetryDelay: 1 }, async function (id: string) {
      const charge = await this.step('charge', ({ key }) => {
        ran.push('charge');
        keys.push(key);
        return { id, amount: 3 };
      });
      const nothing = await this.step('nothing', () => void ran.push('nothing'));
      assert.equal(nothing, undefined);
      if (this.request.retries < 2) this.retry();
      return charge.amount;
    });
    await worker();
    const result = await order.delay('7');
    assert.equal(await within(result.get(), 'the value'), 3);
    assert.deepEqual(ran, ['charge', 'nothing']);
    const { steps, retries, deliveries } = await result.snapshot();
    assert.deepEqual(
      steps.map(({ name, kind, doneAt }) => [name, kind, doneAt instanceof Date]),
      [
        ['charge', 'step', true],
        ['nothing', 'step', true],
      ],
    );
    assert.equal(retries, 2);
    assert.equal(deliveries, 3);
  });

  it('sleeps and waits without a slot, and counts no waking', async (t) => {
    const { app, worker } = ground.app(t);
    const seen: [number, number][] = [];
    const order = app.task('order', async function () {
      seen.push([this.request.retries, this.request.deliveries]);
      await this.sleep('cool down', '300ms');
      const answer = await this.waitFor<{ by: string }>('approval');
      return this.step('ship', () => `shipped by ${answer.by}`);
    });
    const quick = app.task('quick', async () => 'quick');
    await worker({ concurrency: 1 });
    const result = await order.delay();
    await until(async () => (await result.status) === states.WAITING, 'the sleep');
    const asleep = (await result.info) as { kind: string; name: string; until: string };
    assert.equal(asleep.kind, 'sleep');
    assert.equal(asleep.name, 'cool down');
    assert.ok(new Date(asleep.until).getTime() > 0);
    assert.equal(await within((await quick.delay()).get(), 'a task beside it'), 'quick');
    await until(
      async () => ((await result.info) as { name?: string } | undefined)?.name === 'approval',
      'the wait',
    );
    assert.deepEqual(await result.info, { kind: 'wait', name: 'approval', until: null });
    const waiting = await result.snapshot();
    assert.equal(waiting.state, 'WAITING');
    assert.equal(waiting.deliveries, 1);
    assert.deepEqual(
      waiting.steps.map(({ name, kind, doneAt }) => [name, kind, doneAt !== undefined]),
      [
        ['cool down', 'sleep', true],
        ['approval', 'wait', false],
      ],
    );
    assert.deepEqual(await result.send('approval', { by: 'ada' }), { accepted: true });
    assert.equal((await result.send('approval', { by: 'eve' })).accepted, false);
    assert.equal(await within(result.get(), 'the value'), 'shipped by ada');
    assert.deepEqual(new Set(seen.map(String)), new Set(['0,1']));
    const { deliveries, retries, steps } = await result.snapshot();
    assert.deepEqual([deliveries, retries, steps.length], [1, 0, 3]);
    assert.equal((await result.send('approval', 1)).accepted, false);
  });

  it('takes a value that was sent before it waits, and one sent to nobody is not accepted', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('early', async function () {
      return this.waitFor('go');
    });
    const result = await task.delay();
    assert.deepEqual(await result.send('go', undefined), { accepted: true });
    await worker();
    assert.equal(await within(result.get(), 'the value'), undefined);
    assert.equal((await app.result('nobody').send('go', 1)).accepted, false);
  });

  it('times out once, and stays timed out', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('late', { maxRetries: 1, defaultRetryDelay: 1 }, async function () {
      const error = await rejection(this.waitFor('go', { timeout: '50ms' }));
      assert.ok(error instanceof WaitTimeoutError);
      assert.equal(error.step, 'go');
      if (this.request.retries === 0) this.retry();
      return 'gave up';
    });
    await worker();
    const result = await task.delay();
    assert.equal(await within(result.get(), 'the value'), 'gave up');
  });

  it('refuses a name that is used twice', async (t) => {
    const { app, worker } = ground.app(t);
    class Twice extends TaskService {
      @Task('twice') async twice(): Promise<string> {
        await this.step('a', () => 1);
        await this.sleep('a', 1);
        return 'no';
      }
    }
    const service = app.register(new Twice());
    await worker();
    const error = await rejection(within((await service.twice.delay()).get(), 'the end'));
    assert.ok(error.cause instanceof StepError, String(error.cause));
    assert.match(error.message, /"a" is used twice/);
  });

  it('ends a waiting task at once when it is revoked', async (t) => {
    const { app, worker } = ground.app(t);
    const task = app.task('idle', async function () {
      await this.waitFor('never');
    });
    await worker();
    const result = await task.delay();
    await until(async () => (await result.status) === 'WAITING', 'the wait');
    assert.deepEqual(await result.revoke(), { found: true, was: 'WAITING' });
    assert.equal(await result.status, 'REVOKED');
    assert.equal((await result.send('never', 1)).accepted, false);
  });
});
