/** What is accepted of what is sent to a task, and who gets it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { chain } from 'celeriac';
import { Counter, gate, onEveryEngine, until, within } from '../support/app.js';

onEveryEngine((ground) => {
  it('accepts nothing for the name of a step or a sleep, in a part of a workflow either', async (t) => {
    const { app, worker } = ground.app(t);
    const order = app.task('order', async function () {
      await this.step('charge', () => 1);
      await this.sleep('cool down', '1h');
    });
    const first = app.task('first', async () => undefined);
    await worker();
    for (const result of [await order.delay(), await chain(first.si(), order.si()).delay()]) {
      await until(async () => (await result.status) === 'WAITING', 'the sleep');
      for (const [name, kind] of [
        ['charge', 'step'],
        ['cool down', 'sleep'],
      ] as const) {
        const { accepted, why } = await result.send(name, 1);
        assert.equal(accepted, false, name);
        assert.match(why ?? '', new RegExp(`is a ${kind}`));
      }
      await result.revoke();
    }
  });

  it('accepts nothing once the time of a wait is over, although nobody has woken the task', async (t) => {
    const { app, twin, worker } = ground.app(t);
    const code = (named: typeof app) =>
      named.task('late', async function () {
        return this.waitFor('go', { timeout: '1500ms' }).catch((error: Error) => error.name);
      });
    const running = await worker();
    const result = await code(app).delay();
    await until(async () => (await result.status) === 'WAITING', 'the wait');
    const { until: end } = (await result.info) as { until: string };
    await running.stop();
    await until(() => Date.now() > new Date(end).getTime() + 50, 'the end of the wait');
    const { accepted, why } = await result.send('go', 'too late');
    assert.equal(accepted, false);
    assert.match(why ?? '', /its wait is over/);
    const other = twin();
    code(other);
    await other.worker().start();
    assert.equal(await within(result.get(), 'the value'), 'WaitTimeoutError');
  });

  it('gives to the task that takes a place what was sent to the one before, if that has not waited for it', async (t) => {
    const { app, worker } = ground.app(t);
    const replacing = gate();
    const fronts = new Counter();
    const go = app.task('go', async function () {
      const values = [await this.waitFor('own'), await this.waitFor('early'), await this.waitFor('late')];
      return values.join(' ');
    });
    const front = app.task('front', async function () {
      await this.waitFor('own');
      fronts.add();
      await replacing.opened;
      this.replace(go.si());
    });
    const first = app.task('first', async () => undefined);
    await worker();
    const plain = await front.delay();
    const part = await chain(first.si(), front.si()).delay();
    for (const result of [plain, part]) {
      assert.equal((await result.send('early', 'early')).accepted, true);
      assert.equal((await result.send('own', 'of the front')).accepted, true);
    }
    await fronts.reached(2);
    replacing.open();
    for (const result of [plain, part]) {
      await until(async () => {
        const { info, status } = result;
        return (await status) === 'WAITING' && ((await info) as { name: string }).name === 'own';
      }, 'the replacement');
      assert.equal((await result.send('early', 'again')).accepted, false, 'it was sent before');
      assert.equal((await result.send('own', 'own')).accepted, true);
      assert.equal((await result.send('late', 'late')).accepted, true);
      assert.equal(await within(result.get(), 'the value'), 'own early late');
    }
  });
});
