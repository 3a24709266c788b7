/** Waits beside something that has ended: the attempt cannot be parked for them, but holds up nobody. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onEveryEngine, until, within } from '../support/app.js';

onEveryEngine((ground) => {
  it('lend their slot, and take one again to go on', async (t) => {
    const { app, worker } = ground.app(t);
    const both = app.task('both', async function () {
      const one = async () => {
        await this.sleep('nap', 20);
        return this.step('one', () => 1);
      };
      const two = async () => {
        const n = await this.waitFor<number>('two');
        return this.step('more', () => n + 1);
      };
      return Promise.all([one(), two()]);
    });
    const quick = app.task('quick', async () => 'quick');
    const running = await worker({ concurrency: 1 });
    const result = await both.delay();
    await until(async () => (await result.snapshot()).steps.some(({ name }) => name === 'one'), 'the step');
    assert.equal(await within((await quick.delay()).get(), 'a task beside it'), 'quick');
    assert.equal(running.describe().running, 1);
    await result.send('two', 2);
    assert.deepEqual(await within(result.get(), 'the values'), [1, 3]);
    assert.equal((await result.snapshot()).deliveries, 1);
    assert.equal(await within((await quick.delay()).get(), 'a task afterwards'), 'quick');
  });

  it('go on elsewhere when their worker stops, as the same delivery with the same stream', async (t) => {
    const { app, twin, worker } = ground.app(t);
    const code = (named: typeof app) =>
      named.task('both', async function () {
        await this.emit('before');
        const one = async () => {
          await this.sleep('nap', 20);
          return this.step('one', () => 1);
        };
        const two = async () => this.waitFor<number>('two');
        const values = await Promise.all([one(), two()]);
        await this.emit('after');
        return values;
      });
    const running = await worker({ shutdownTimeout: 50 });
    const result = await code(app).delay();
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of result.stream()) chunks.push(chunk);
    })();
    await until(async () => (await result.snapshot()).steps.some(({ name }) => name === 'one'), 'the step');
    await until(() => chunks.length === 1, 'the chunk');
    await running.stop();
    assert.equal(await result.status, 'WAITING');
    const other = twin();
    code(other);
    await other.worker().start();
    await result.send('two', 2);
    assert.deepEqual(await within(result.get(), 'the values'), [1, 2]);
    await within(reading, 'the end of the stream');
    assert.deepEqual(chunks, ['before', 'after']);
    assert.equal((await result.snapshot()).deliveries, 1);
  });
});
