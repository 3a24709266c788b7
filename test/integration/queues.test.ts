/**
 * Looking after queues: sizes, pausing and purging, with their lanes, and without workers.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chain, chord, TaskRevokedError } from 'celeriac';
import { Counter, gate, onEveryEngine, rejection, until, within } from '../support/app.js';

const PATIENCE = { timeout: '30s' } as const;
const NOTHING = { waiting: 0, active: 0, delayed: 0, waitingChildren: 0, failed: 0, finished: 0 };

describe('Sizes of queues', () => {
  onEveryEngine((ground) => {
    it('tells how many tasks are where, lanes counted with their queue, in a process that knows no task', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const open = gate();
      const started = new Counter();
      app.task('quick', () => 1);
      app.task('broken', () => {
        throw new Error('broken');
      });
      const held = app.task('held', { queue: 'mail' }, async () => {
        started.add();
        await open.opened;
      });
      const laned = app.task('laned', { queue: 'mail', rateLimit: '1/h' }, () => started.add());
      const stranger = twin();
      assert.deepEqual(await stranger.queues.list(), []);
      const [fine, bad] = [await app.sendTask('quick'), await app.sendTask('broken')];
      await app.sendTask('quick', [], { countdown: '1h' });
      await app.sendTask('quick', [], { priority: 7, queue: 'idle' });
      await held.delay();
      await worker({ queues: ['celeriac', 'mail'] });
      await fine.get(PATIENCE);
      await rejection(bad.get(PATIENCE));
      await started.reached(1);
      for (let n = 0; n < 3; n++) await laned.delay();
      await started.reached(2);
      const mailEnded = async () => (await stranger.queues.get('mail')).finished === 1;
      await until(mailEnded, 'the end of the first of the lane');
      const [celeriac, idle, mail] = await stranger.queues.list();
      assert.deepEqual(celeriac, {
        ...NOTHING,
        name: 'celeriac',
        paused: false,
        delayed: 1,
        failed: 1,
        finished: 1,
      });
      assert.deepEqual(idle, { ...NOTHING, name: 'idle', paused: false, waiting: 1 });
      assert.deepEqual(mail, {
        ...NOTHING,
        name: 'mail',
        paused: false,
        waiting: 2,
        active: 1,
        finished: 1,
      });
      assert.deepEqual(await stranger.queues.get('mail'), mail);
      assert.deepEqual(await stranger.queues.get('unheard'), { ...NOTHING, name: 'unheard', paused: false });
      open.open();
    });
  });
});

describe('Purging', () => {
  onEveryEngine((ground) => {
    it('drops what waits, delayed and laned ones too, and wakes waiters of other processes with REVOKED', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const ran = new Counter();
      const plain = app.task('plain', () => ran.add());
      const laned = app.task('laned', { rateLimit: '1/h' }, () => ran.add());
      const sent = [
        await plain.delay(),
        await plain.applyAsync([], { countdown: '1h' }),
        await plain.applyAsync([], { priority: 9, taskId: 'of my own' }),
        await laned.delay(),
        await laned.delay(),
      ];
      const other = await plain.applyAsync([], { queue: 'other' });
      const elsewhere = twin();
      const waiting = sent.map(({ id }) => rejection(elsewhere.result(id).get(PATIENCE)));
      // Every wait listens by then: a look of its own has been answered.
      await Promise.all(sent.map(({ id }) => elsewhere.result(id).status));
      assert.deepEqual(await twin().queues.purge('celeriac'), { celeriac: 5 });
      for (const error of await within(Promise.all(waiting), 'the waiters')) {
        assert.ok(error instanceof TaskRevokedError);
        assert.match(error.message, /purged/);
      }
      assert.deepEqual(await Promise.all(sent.map((result) => result.status)), Array(5).fill('REVOKED'));
      const snapshot = await elsewhere.result('of my own').snapshot();
      assert.deepEqual([snapshot.name, snapshot.known, snapshot.args], ['plain', true, []]);
      assert.deepEqual(await app.queues.get('celeriac'), { ...NOTHING, name: 'celeriac', paused: false });
      assert.equal(await other.status, 'PENDING');
      await worker({ queues: ['celeriac', 'other'] });
      assert.equal(await other.get(PATIENCE), 1);
      assert.equal(ran.count, 1);
      assert.equal(await app.control.purge(), 0);
    });

    it('ends workflows whose parts it drops, as revoking those would', async (t) => {
      const { app, twin } = ground.app(t);
      const step = app.task('step', (n: number) => n + 1);
      const total = app.task('total', (ns: number[]) => ns.length);
      const line = await chain(step.s(1), step.s(), step.s()).delay();
      const sum = await chord(
        [1, 2, 3].map((n) => step.s(n)),
        total.s(),
      ).delay();
      const other = twin();
      const waiting = [line, sum].map(({ id }) => rejection(other.result(id).get(PATIENCE)));
      await Promise.all([line, sum].map(({ id }) => other.result(id).status));
      assert.deepEqual(await app.queues.purge(), { celeriac: 4 });
      for (const error of await within(Promise.all(waiting), 'the ends of the workflows'))
        assert.match(messagesOf(error), /its queue was purged/);
      const { waiting: left, active, delayed } = await app.queues.get('celeriac');
      assert.deepEqual([left, active, delayed], [0, 0, 0]);
    });

    it('gives back the ids and unique keys of what it dropped, and lets what runs go on', async (t) => {
      const { app, worker } = ground.app(t);
      const open = gate();
      const started = new Counter();
      const held = app.task('held', async () => {
        started.add();
        await open.opened;
        return 'done';
      });
      const once = app.task('once', { unique: { mode: 'reject' } }, () => 'ran');
      await worker({ concurrency: 1 });
      const running = await held.delay();
      await started.reached(1);
      const dropped = await once.applyAsync([], { taskId: 'mine' });
      assert.equal(await app.control.purge(['celeriac', 'celeriac']), 1);
      assert.equal(await dropped.status, 'REVOKED');
      const again = await once.applyAsync([], { taskId: 'mine' });
      assert.equal(await again.status, 'PENDING');
      open.open();
      assert.deepEqual([await running.get(PATIENCE), await again.get(PATIENCE)], ['done', 'ran']);
    });

    it('drops a backlog of thousands while others go on, and a paused one as well', async (t) => {
      const { app } = ground.app(t);
      const task = app.task('many', (_n: number) => undefined);
      const many = ground.engine === 'redis' ? 2000 : 300;
      await app.publish(Array.from({ length: many }, (_, n) => task.s(n)));
      await app.queues.pause('celeriac');
      const before = await app.queues.get('celeriac');
      assert.deepEqual([before.paused, before.waiting], [true, many]);
      const purging = app.queues.purge();
      assert.deepEqual(await purging, { celeriac: many });
      const after = await app.queues.get('celeriac');
      assert.deepEqual([after.paused, after.waiting, after.active, after.failed], [true, 0, 0, 0]);
    });
  });
});

describe('Pausing', () => {
  onEveryEngine((ground) => {
    it('lets nothing start, in workers of now and of later, lanes included, until it is resumed', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const ran = new Counter();
      const plain = app.task('plain', () => ran.add());
      const laned = app.task('laned', { concurrency: { limit: 1 } }, () => ran.add());
      const other = app.task('other', { queue: 'other' }, () => 'free');
      const first = await worker({ name: 'one', queues: ['celeriac', 'other'] });
      await (await plain.delay()).get(PATIENCE);
      const replies = await twin().control.pause('celeriac');
      assert.deepEqual(replies, { one: { ok: '"celeriac" is paused' } });
      const sent = [await plain.delay(), await laned.delay(), await plain.applyAsync([], { countdown: 50 })];
      assert.equal(await (await other.delay()).get(PATIENCE), 'free');
      await first.stop();
      const late = twin();
      late.task('plain', () => ran.add());
      late.task('laned', { concurrency: { limit: 1 } }, () => ran.add());
      late.task('later', { rateLimit: '100/s' }, () => ran.add());
      late.task('other', { queue: 'other' }, () => 'free');
      const second = late.worker({ name: 'two', queues: ['celeriac', 'other'] });
      await second.start();
      sent.push(await late.sendTask('later'));
      // What could start has had its chance: this one was sent later, and was due later than each of them.
      assert.equal(await (await other.applyAsync([], { countdown: 100 })).get(PATIENCE), 'free');
      assert.equal(ran.count, 1);
      const [info] = await app.queues.list();
      assert.deepEqual(
        [info?.name, info?.paused, (info?.waiting ?? 0) + (info?.delayed ?? 0)],
        ['celeriac', true, 4],
      );
      assert.deepEqual(await app.control.resume('celeriac'), { two: { ok: 'resumed "celeriac"' } });
      await Promise.all(sent.map((result) => result.get(PATIENCE)));
      assert.equal(ran.count, 5);
      assert.equal((await app.queues.get('celeriac')).paused, false);
      await second.stop();
    });

    it('answers with an error where nobody has heard of the queue', async (t) => {
      const { app, worker } = ground.app(t);
      await worker({ name: 'one' });
      const { one } = await app.control.pause('no-such');
      assert.match((one as { error: string }).error, /no queue "no-such"/);
      assert.deepEqual(
        (await app.queues.list()).map(({ name, paused }) => [name, paused]),
        [['celeriac', false]],
      );
      assert.match((await rejection(app.control.pause('a:b'))).message, /is not a queue name/);
    });
  });
});

function messagesOf(error: unknown): string {
  return error instanceof Error ? `${error.message}; ${messagesOf(error.cause)}` : '';
}
