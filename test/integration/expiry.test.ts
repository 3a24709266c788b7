/**
 * `resultExpires` and `failureExpires`, kept while nothing else happens: by one worker of the fleet, for every queue of the
 * app, in steps that hold up nobody.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnknownTaskError } from 'celeriac';
import type { Redis } from 'ioredis';
import { partsOf } from '#src/app.js';
import { onEveryEngine, rejection, until } from '../support/app.js';
import { redisMeter } from '../support/redis-meter.js';

const CAMPAIGN = process.env.CELERIAC_CAMPAIGN !== undefined;
const SOON = { timeout: '60s' } as const;

describe('Records that have expired', { timeout: CAMPAIGN ? 600_000 : 240_000 }, () => {
  onEveryEngine((ground) => {
    it('go from every queue of the app, also from one that nobody consumes any more', async (t) => {
      const { app, worker, twin } = ground.app(t, { resultExpires: '2s', failureExpires: '2s' });
      const good = app.task('good', () => 1);
      const bad = app.task('bad', () => Promise.reject(new Error('bad')));
      const first = await worker({ queues: ['left', 'kept'] });
      const sent = await Promise.all([
        good.applyAsync([], { queue: 'left' }),
        bad.applyAsync([], { queue: 'left' }),
        good.applyAsync([], { queue: 'kept', taskId: 'own' }),
      ]);
      for (const result of sent) await result.get({ ...SOON, propagate: false });
      await first.stop();
      const other = twin({ resultExpires: '2s', failureExpires: '2s' });
      const last = other.worker({ queues: ['kept'], shutdownTimeout: '1s' });
      await last.start();
      const gone = async () => !(await Promise.all(sent.map((result) => result.exists()))).includes(true);
      await until(gone, 'their end', 30_000);
      for (const result of sent) assert.ok((await rejection(result.get())) instanceof UnknownTaskError);
    });

    it('are dropped by age: what is younger stays, and failures have a time of their own', async (t) => {
      const { app, worker } = ground.app(t, { resultExpires: '1s', failureExpires: '1h' });
      const bad = app.task('bad', () => Promise.reject(new Error('kept longer')));
      const good = app.task('good', () => 1);
      await worker();
      const [old, failed] = [await good.delay(), await bad.delay()];
      await Promise.all([old.get(SOON), rejection(failed.get(SOON))]);
      await until(async () => !(await old.exists()), 'the end of the old one', 30_000);
      assert.equal(await failed.status, 'FAILURE');
      const young = await good.delay();
      assert.equal(await young.get(SOON), 1);
    });
  });
});

describe('The janitor on Redis', { timeout: CAMPAIGN ? 600_000 : 240_000 }, () => {
  onEveryEngine(
    (ground) => {
      it('is one for the fleet, and holds up the broker for no longer than a moment, however much there is', async (t) => {
        if (ground.engine !== 'redis') return t.skip('it looks at the commands of one Redis');
        const { app, prefix, twin } = ground.app(t, { resultExpires: '4s', failureExpires: '4s' });
        const meter = await redisMeter(Number(new URL(ground.url).port));
        t.after(() => meter.close());
        const { client } = meter;
        const small = CAMPAIGN ? 50_000 : 5_000;
        const large = CAMPAIGN ? 500 : 60;
        // Written as BullMQ writes them: running so many tasks is not what is tested.
        await write(client, prefix, 'small', small, '1');
        await write(client, prefix, 'large', large, JSON.stringify('x'.repeat(3_000_000)));
        await partsOf(app).engine.queues.note(['small', 'large']);
        await client.config('SET', 'slowlog-log-slower-than', 300);
        await client.config('SET', 'slowlog-max-len', 10_000);
        await client.slowlog('RESET');
        const before = await meter.cpuMs();
        for (let n = 0; n < 4; n++) {
          const other = twin();
          other.task('none', () => undefined);
          await other.worker({ queues: ['elsewhere'], shutdownTimeout: '1s' }).start();
        }
        const left = async () =>
          (await client.zcard(`${prefix}:small:completed`)) +
          (await client.zcard(`${prefix}:large:completed`));
        await until(async () => (await left()) === 0, 'the end of all', 180_000);
        const cpuMs = (await meter.cpuMs()) - before;
        assert.equal(await client.exists(`${prefix}:small:job0`, `${prefix}:large:job0`), 0);
        const slow = (await client.slowlog('GET', 10_000)) as [number, number, number, string[], string][];
        const steps = slow.filter(
          // BullMQ's script has three keys; one that only looks has one.
          ([, , , [command = '', , keys, key = '']]) =>
            /^eval/i.test(command) && keys === '3' && key.endsWith(':completed'),
        );
        const longestMs = Math.max(...steps.map(([, , us]) => us / 1000));
        const stepMs = cpuMs / steps.length;
        t.diagnostic(
          `${small} records and ${large} of 3 MB: ${steps.length} steps of ${stepMs.toFixed(1)} ms of CPU, ` +
            `the longest took ${longestMs.toFixed(1)} ms on a machine that may have been busy`,
        );
        assert.ok(steps.length > (small + large) / 500, `${steps.length} steps`);
        if (CAMPAIGN) assert.ok(stepMs < 50, `${stepMs} ms`);
        const cleaners = new Set(steps.map(([, , , , source]) => source));
        assert.equal(cleaners.size, 1, 'of four workers that look every second');
      });
    },
    ['redis'],
  );
});

/** Completed jobs, old enough to go. */
async function write(
  client: Redis,
  prefix: string,
  queue: string,
  count: number,
  value: string,
): Promise<void> {
  const ended = Date.now() - 3_600_000;
  for (let i = 0; i < count; i += 50) {
    const pipeline = client.pipeline();
    for (let n = i; n < Math.min(i + 50, count); n++) {
      const fields = {
        name: 'none',
        data: '{"v":1,"args":[]}',
        opts: '{}',
        returnvalue: value,
        atm: 1,
        ats: 1,
      };
      pipeline.hset(`${prefix}:${queue}:job${n}`, { ...fields, timestamp: ended, finishedOn: ended });
      pipeline.zadd(`${prefix}:${queue}:completed`, ended, `job${n}`);
    }
    await pipeline.exec();
  }
}
