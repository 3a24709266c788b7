/** How a worker's slots go with the load, and how queues share them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Counter, gate, onEveryEngine, pause, until } from '../support/app.js';

const ask = { timeout: '20s' } as const;

describe('autoscale', () => {
  onEveryEngine((ground) => {
    it('grows with the load up to its maximum, and shrinks to its minimum when idle', async (t) => {
      const { app, worker, lines } = ground.app(t);
      const started = new Counter();
      const finish = Array.from({ length: 10 }, () => gate());
      let [inside, most] = [0, 0];
      const task = app.task('long', async () => {
        most = Math.max(most, ++inside);
        await finish[started.add() - 1]?.opened;
        inside--;
      });
      const running = await worker({ autoscale: { max: 6, min: 2 }, concurrency: 2 });
      const slots = () => running.describe().concurrency;
      assert.equal(slots(), 2);
      const sent = await Promise.all(Array.from({ length: 10 }, () => task.delay()));
      await started.reached(6);
      assert.equal(slots(), 6);
      // Each that ends lets the next in, and no more.
      for (const [n, { open }] of finish.entries()) {
        open();
        await started.reached(Math.min(10, n + 7));
      }
      await Promise.all(sent.map((result) => result.get({ timeout: '20s' })));
      assert.equal(most, 6, 'the maximum holds');
      await until(() => slots() === 2, 'the shrinking');
      assert(
        lines.some(({ message, fields }) => /autoscale changed concurrency/.test(message) && fields.to === 2),
      );
    });

    it('begins at no slot at all where its minimum is 0', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('one', () => 'done');
      const running = await worker({ autoscale: { max: 2 }, concurrency: 0 });
      assert.equal(await (await task.delay()).get({ timeout: '20s' }), 'done');
      await until(() => running.describe().concurrency === 0, 'the last slot to go');
      assert.equal(await (await task.delay()).get({ timeout: '20s' }), 'done', 'and again');
    });

    it('is switched on at runtime, fixed by equal bounds, and goes along with pool-grow and pool-shrink', async (t) => {
      const { app, worker } = ground.app(t);
      const [started, finish] = [new Counter(), gate()];
      const task = app.task('long', async () => {
        started.add();
        await finish.opened;
      });
      const running = await worker({ concurrency: 1 });
      const { node } = running;
      const sent = await Promise.all(Array.from({ length: 9 }, () => task.delay()));
      await started.reached(1);
      assert.deepEqual(await app.control.autoscale(3, 1, ask), {
        [node]: { ok: 'concurrency is 1 now, and goes from 1 to 3 by itself' },
      });
      await started.reached(3);
      await app.control.poolGrow(2, ask);
      await started.reached(5);
      assert.deepEqual(running.describe().autoscale, { max: 5, min: 1 });
      await app.control.poolShrink(5, ask);
      assert.deepEqual(running.describe().autoscale, { max: 5, min: 0 });
      await app.control.autoscale(7, 7, ask);
      await started.reached(7);
      const stats = (await app.inspect(ask).stats())[node];
      assert(stats !== undefined && 'concurrency' in stats && stats.concurrency === 7);
      finish.open();
      await Promise.all(sent.map((result) => result.get({ timeout: '20s' })));
      const conf = (await app.inspect(ask).conf())[node] as { worker: { autoscale: object } };
      assert.deepEqual(conf.worker.autoscale, { max: 7, min: 7 });
      await assert.rejects(app.control.autoscale(1, 2), { code: 'OPTION' });
      await assert.rejects(app.control.autoscale(0), { code: 'OPTION' });
      assert.throws(() => app.worker({ autoscale: { max: 2, least: 1 } as never }), /unknown option "least"/);
      assert.throws(() => app.worker({ autoscale: { max: 2, min: 3 } }), /min 3 is above max 2/);
    });
  });
});

describe('queues with weights', () => {
  onEveryEngine((ground) => {
    it('share one budget by their weights while all have tasks, and none starves', async (t) => {
      const { app, worker } = ground.app(t);
      const order: string[] = [];
      const task = app.task('noted', async (queue: string) => {
        order.push(queue);
        await pause(1);
      });
      const limited = app.task('limited', { concurrency: { limit: 50 } }, async (queue: string) => {
        order.push(queue);
        await pause(1);
      });
      const sent = await Promise.all(
        ['mail', 'reports', 'rest'].flatMap((queue) => [
          ...Array.from({ length: 120 }, () => task.applyAsync([queue], { queue })),
          // In a lane of its own, which counts with its queue.
          ...Array.from({ length: 30 }, () => limited.applyAsync([queue], { queue })),
        ]),
      );
      await worker({ queues: { mail: 5, reports: 2, rest: 1 }, concurrency: 2 });
      await Promise.all(sent.map((result) => result.get({ timeout: '60s' })));
      const first = order.slice(0, 160);
      const [mail, reports, rest] = ['mail', 'reports', 'rest'].map(
        (queue) => first.filter((name) => name === queue).length,
      );
      t.diagnostic(`${mail} ${reports} ${rest} of 100 40 20`);
      assert(mail !== undefined && reports !== undefined && rest !== undefined);
      assert(mail > reports * 1.6 && reports > rest * 1.3 && rest >= 8, `${mail} ${reports} ${rest}`);
    });

    it('a queue alone has all slots, whatever its weight', async (t) => {
      const { app, worker } = ground.app(t);
      const [started, finish] = [new Counter(), gate()];
      const task = app.task('long', async () => {
        started.add();
        await finish.opened;
      });
      await worker({ queues: { light: 1, heavy: 9 }, concurrency: 4 });
      const sent = await Promise.all(
        Array.from({ length: 4 }, () => task.applyAsync([], { queue: 'light' })),
      );
      await started.reached(4);
      finish.open();
      await Promise.all(sent.map((result) => result.get({ timeout: '20s' })));
      assert.throws(() => app.worker({ queues: { mail: 0 } }), /the weight 0 of "mail"/);
      assert.throws(() => app.worker({ queues: {} }), /queues is empty/);
    });
  });
});
