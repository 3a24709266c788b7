/** How a worker begins and ends, in whatever order it is told to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCeleriacError } from 'celeriac';
import { gate, onEveryEngine, pause } from '../support/app.js';

describe('A worker', () => {
  onEveryEngine((ground) => {
    it('that is stopped while it starts takes nothing afterwards', async (t) => {
      const { app, twin } = ground.app(t);
      let here = 0;
      const task = app.task('short', async () => {
        here++;
        await pause(2);
      });
      const sent = await Promise.all(Array.from({ length: 400 }, () => task.delay()));
      const ends: string[] = [];
      for (const laterMs of [0, 1, 2, 4, 6, 8, 12, 16, 24, 32]) {
        const worker = app.worker({ concurrency: 1 });
        const start = worker.start().then(
          () => 'started',
          (error: unknown) => (isCeleriacError(error, 'APP_CLOSED') ? 'refused' : String(error)),
        );
        await pause(laterMs);
        await worker.stop({ timeout: '10s' });
        ends.push(await start);
      }
      assert(ends.includes('refused'), ends.join());
      assert.deepEqual(
        ends.filter((end) => end !== 'refused' && end !== 'started'),
        [],
      );
      const before = here;
      assert(before < sent.length, 'there is something left to be taken');
      const other = twin();
      other.task('short', () => 'elsewhere');
      await using worker = other.worker();
      await worker.start();
      const values = await Promise.all(sent.map((result) => result.get({ timeout: '60s' })));
      assert.equal(here, before);
      assert.equal(values.filter((value) => (value as unknown) === 'elsewhere').length, sent.length - before);
    });

    it('that stops waits for tasks of a queue it takes from no more', async (t) => {
      const { app, worker: start } = ground.app(t);
      const [begun, finish] = [gate(), gate()];
      t.after(() => finish.open());
      const task = app.task('slow', { queue: 'mail' }, async () => {
        begun.open();
        await finish.opened;
        return 'done';
      });
      const worker = await start({ name: 'busy', queues: ['celeriac', 'mail'] });
      const idle = await start({ name: 'idle', queues: ['celeriac', 'mail'] });
      const sent = await task.delay();
      await begun.opened;
      await app.control.cancelConsumer('mail', { timeout: '20s' });
      const stopped = worker.stop({ timeout: '40d' });
      let over = false;
      void stopped.then(() => {
        over = true;
      });
      // One that has nothing to wait for, told later, is through.
      await idle.stop();
      assert.equal(over, false);
      finish.open();
      await stopped;
      const { state, value, deliveries } = await sent.snapshot();
      assert.deepEqual([state, value, deliveries], ['SUCCESS', 'done', 1]);
    });
  });
});
