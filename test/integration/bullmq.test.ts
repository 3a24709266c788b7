/** BullMQ underneath: its own classes through the app, and plain BullMQ programs on the queues of an app. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker as PlainWorker, Queue } from 'bullmq';
import { AppClosedError, CeleriacError, OptionError, TaskFailedError } from 'celeriac';
import { Redis } from 'ioredis';
import { onEveryEngine, until } from '../support/app.js';

const PATIENCE = { timeout: '30s' } as const;

describe('BullMQ underneath', () => {
  onEveryEngine((ground) => {
    it('is reached by its own Queue, which shows what waits, takes jobs, and is closed with the app', async (t) => {
      const { app, worker } = ground.app(t);
      const add = app.task('add', (a: number, b: number) => a + b);
      const queue = app.bullmq('celeriac');
      assert.ok(queue instanceof Queue);
      assert.equal(app.bullmq('celeriac'), queue);
      const sent = await add.delay(1, 2);
      const job = await queue.getJob(sent.id);
      assert.equal(job?.name, 'add');
      assert.deepEqual((job.data as { args: unknown }).args, [1, 2]);
      const own = await queue.add('add', { args: [3, 4] });
      const { waiting } = await queue.getJobCounts('waiting');
      assert.equal(waiting, 2);
      await worker();
      assert.equal(await sent.get(PATIENCE), 3);
      const value = await until(
        async () => (await queue.getJob(own.id ?? ''))?.returnvalue ?? undefined,
        'the value of the own job',
      );
      assert.equal(value, 7);
      assert.match(await queue.exportPrometheusMetrics(), /bullmq_job_count\{.*completed/);
      await queue.close();
      const again = app.bullmq('celeriac');
      assert.notEqual(again, queue);
      assert.equal((await again.getJobCounts('completed')).completed, 2);
      await app.close();
      assert.ok(again.closing !== undefined);
      assert.throws(() => app.bullmq('celeriac'), AppClosedError);
    });

    it('is reached by the Worker of a queue, whose events are those of its tasks', async (t) => {
      const { app, worker } = ground.app(t, { queues: ['mail'] });
      const half = app.task('half', { queue: 'mail' }, (n: number) => {
        if (n % 2 === 1) throw new RangeError('odd');
        return n / 2;
      });
      assert.throws(() => app.bullmq('mial'), OptionError);
      assert.throws(() => app.bullmq('a:b'), OptionError);
      const here = await worker({ queues: ['mail'] });
      assert.throws(
        () => here.bullmq('celeriac'),
        (error) => error instanceof CeleriacError && /mail/.test(error.message),
      );
      assert.throws(() => app.worker().bullmq('mail'), /Start it first/);
      const plain = here.bullmq('mail');
      assert.ok(plain instanceof PlainWorker);
      const seen: unknown[] = [];
      plain.on('active', (job) => seen.push(['active', job.name]));
      plain.on('completed', (job, value) => seen.push(['completed', job.id, value]));
      plain.on('failed', (job, error) => seen.push(['failed', job?.id, error.message]));
      const fine = await half.delay(8);
      assert.equal(await fine.get(PATIENCE), 4);
      await until(() => seen.length === 2, 'the end of the first');
      const odd = await half.delay(7);
      await assert.rejects(odd.get(PATIENCE), TaskFailedError);
      await until(() => seen.length === 4, 'the end of the second');
      assert.deepEqual(seen.slice(0, 3), [
        ['active', 'half'],
        ['completed', fine.id, 4],
        ['active', 'half'],
      ]);
      const [what, id, message] = seen[3] as [string, string, string];
      assert.deepEqual([what, id], ['failed', odd.id]);
      assert.match(message, /odd/);
    });
  });

  onEveryEngine(
    (ground) => {
      it('is any BullMQ program’s: it takes our tasks, and adds jobs for our workers', async (t) => {
        const { app, prefix, worker } = ground.app(t);
        const options = { connection: { url: ground.url, maxRetriesPerRequest: null }, prefix };
        const elsewhere = new PlainWorker(
          'theirs',
          async ({ name, data }) => {
            if (name === 'broken') throw new RangeError('no');
            return (data as { args: [number] }).args[0] * 2;
          },
          options,
        );
        t.after(() => elsewhere.close());
        const theirs = { queue: 'theirs' } as const;
        assert.equal(await (await app.sendTask('double', [4], theirs)).get(PATIENCE), 8);
        const failed = await app.sendTask('broken', [], theirs);
        await assert.rejects(
          failed.get(PATIENCE),
          (error) => error instanceof TaskFailedError && /no/.test(error.message),
        );
        const queue = new Queue('ours', options);
        t.after(() => queue.close());
        app.task('add', (a: number, b: number) => a + b);
        await worker({ queues: ['ours'] });
        const job = await queue.add('add', { args: [3, 4] });
        const value = await until(
          async () => (await queue.getJob(job.id ?? ''))?.returnvalue ?? undefined,
          'the value of their job',
        );
        assert.equal(value, 7);
        const admin = new Redis(ground.url);
        t.after(() => admin.disconnect());
        const clients = String(await admin.client('LIST'));
        for (const role of ['calls', 'workers', 'notices'])
          assert.match(clients, new RegExp(`name=celeriac:${prefix}:${role} `));
      });
    },
    ['redis'],
  );
});
