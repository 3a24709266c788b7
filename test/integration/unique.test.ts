import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, DuplicateTaskError, OptionError } from 'celeriac';
import { gate, onEveryEngine, rejection, until } from '../support/app.js';

/** A busy machine is no broker that is away. */
const PATIENT = { publishRetry: '20s' };

describe('A unique task', () => {
  onEveryEngine((ground) => {
    it('is refused a second time, naming the first, until it has ended; other arguments are another task', async (t) => {
      const { app, worker, twin } = ground.app(t, PATIENT);
      const open = gate();
      const sync = app.task('sync', { unique: { mode: 'reject' } }, async (n: number) => {
        await open.opened;
        return n;
      });
      const first = await sync.delay(1);
      const error = await rejection(sync.delay(1));
      assert.ok(error instanceof DuplicateTaskError);
      assert.equal(error.taskId, first.id);
      const fromElsewhere = await rejection(twin().sendTask('sync', [1], { unique: { mode: 'reject' } }));
      assert.ok(fromElsewhere instanceof DuplicateTaskError);
      const other = await sync.delay(2);
      await worker();
      await until(async () => (await first.status) === 'STARTED', 'its start');
      assert.ok((await rejection(sync.delay(1))) instanceof DuplicateTaskError);
      open.open();
      assert.equal(await first.get({ timeout: '20s' }), 1);
      assert.equal(await other.get({ timeout: '20s' }), 2);
      assert.equal(await (await sync.delay(1)).get({ timeout: '20s' }), 1);
    });

    it('is told apart by its key, per call as well, and not at all when a call says so', async (t) => {
      const { app } = ground.app(t, PATIENT);
      const sync = app.task(
        'sync',
        { unique: { mode: 'reject', key: (account: string) => account } },
        (_account: string, n: number) => n,
      );
      await sync.delay('a', 1);
      assert.ok((await rejection(sync.delay('a', 2))) instanceof DuplicateTaskError);
      await sync.delay('b', 1);
      await sync.applyAsync(['a', 3], { unique: null });
      await sync.applyAsync(['a', 4], {
        unique: { mode: 'reject', key: (_account: string, n: number) => `${n}` },
      });
      assert.ok(
        (await rejection(
          sync.applyAsync(['z', 4], {
            unique: { mode: 'reject', key: (_account: string, n: number) => `${n}` },
          }),
        )) instanceof DuplicateTaskError,
      );
    });

    it('is the only one where its route says so, in a published list as well', async (t) => {
      const { app } = ground.app(t, { ...PATIENT, routes: [['sync.*', { unique: { mode: 'return' } }]] });
      const sync = app.task('sync.all', (n: number) => n);
      const published = await app.publish([sync.s(1), sync.s(1), sync.s(2)]);
      assert.equal(published[0]?.id, published[1]?.id);
      assert.notEqual(published[0]?.id, published[2]?.id);
      assert.equal((await sync.delay(1)).id, published[0]?.id);
    });

    it('gives the first one in mode return, also to calls made at once', async (t) => {
      const { app, worker, twin } = ground.app(t, PATIENT);
      const sync = app.task('sync', { unique: { mode: 'return' } }, (n: number) => n);
      const caller = twin().tasks<{ sync(n: number): number }>()({
        sync: { name: 'sync', unique: { mode: 'return' } },
      });
      const results = await Promise.all(range(20).map((n) => (n % 2 ? sync.delay(7) : caller.sync.delay(7))));
      assert.equal(new Set(results.map(({ id }) => id)).size, 1);
      await worker();
      assert.deepEqual(
        new Set(await Promise.all(results.map((r) => r.get({ timeout: '20s' })))),
        new Set([7]),
      );
    });

    it('takes the place of one that has not started in mode replace, of no other', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const open = gate();
      const ran: number[] = [];
      const sync = app.task('sync', { unique: { mode: 'replace', key: () => 'one' } }, async (n: number) => {
        ran.push(n);
        await open.opened;
        return n;
      });
      const delayed = await sync.applyAsync([1], { countdown: '1h' });
      const second = await sync.delay(2);
      assert.equal(await delayed.status, 'REVOKED');
      const racing = await Promise.allSettled(range(5).map((n) => sync.delay(10 + n)));
      assert.equal(await second.status, 'REVOKED');
      const living = racing.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
      const states = await Promise.all(living.map((result) => result.status));
      assert.equal(states.filter((state) => state === 'PENDING').length, 1);
      await worker();
      await until(() => ran.length > 0, 'its start');
      assert.ok((await rejection(sync.delay(3))) instanceof DuplicateTaskError);
      open.open();
      await until(async () => (await Promise.all(living.map((r) => r.ready()))).every(Boolean), 'its end');
      assert.equal(ran.length, 1);
      assert.equal(await (await sync.delay(4)).get({ timeout: '20s' }), 4);
    });

    it('stays where it waits, or is to be retried, in mode replace', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const one = { unique: { mode: 'replace', key: () => 'one' } } as const;
      const waiting = app.task('waiting', one, async function () {
        return this.waitFor('value');
      });
      const retried = app.task('retried', { ...one, maxRetries: 1 }, function () {
        if (this.request.retries === 0) this.retry({ countdown: '1h' });
      });
      await worker();
      const [first, again] = [await waiting.delay(), await retried.delay()];
      await until(async () => (await first.status) === 'WAITING' && (await again.status) === 'RETRY', 'both');
      assert.equal(((await rejection(waiting.delay())) as DuplicateTaskError).taskId, first.id);
      assert.equal(((await rejection(retried.delay())) as DuplicateTaskError).taskId, again.id);
      assert.equal(await again.status, 'RETRY');
      assert.deepEqual(await first.send('value', 7), { accepted: true });
      assert.equal(await first.get({ timeout: '20s' }), 7);
    });

    it('holds its key through retries, and frees it when it fails, expires or is revoked', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const retried = app.task(
        'retried',
        { unique: { mode: 'reject' }, autoretryFor: true, defaultRetryDelay: '1h', maxRetries: 1 },
        () => {
          throw new Error('again');
        },
      );
      const expired = await retried.applyAsync([], { expires: 1, countdown: '1h' });
      await until(async () => (await expired.status) === 'REVOKED', 'its expiry');
      const revoked = await retried.applyAsync([], { countdown: '1h' });
      await revoked.revoke();
      await worker();
      const retrying = await retried.delay();
      await until(async () => (await retrying.status) === 'RETRY', 'its retry');
      assert.ok((await rejection(retried.delay())) instanceof DuplicateTaskError);
      await retrying.revoke();
      const failing = await retried.applyAsync([], { maxRetries: 0 });
      await failing.get({ timeout: '20s', propagate: false });
      assert.notEqual((await retried.delay()).id, failing.id);
    });

    it('frees its key after ttl, and when nothing is stored of it', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const sync = app.task('sync', { unique: { mode: 'reject', ttl: 50 } }, () => undefined);
      await sync.applyAsync([], { countdown: '1h' });
      await until(() => sync.delay().catch(() => undefined), 'the end of its ttl');
      const silent = app.task('silent', { unique: { mode: 'reject' }, ignoreResult: true }, () => undefined);
      await worker();
      await silent.delay();
      await until(() => silent.delay().catch(() => undefined), 'the end of the first');
    });

    it('works in a lane, and with a task id of its own', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const sync = app.task('sync', { unique: { mode: 'reject' }, rateLimit: '100/s' }, (n: number) => n);
      const first = await sync.applyAsync([1], { taskId: 'mine' });
      assert.equal(((await rejection(sync.delay(1))) as DuplicateTaskError).taskId, 'mine');
      await worker();
      assert.equal(await first.get({ timeout: '20s' }), 1);
      assert.equal(await (await sync.delay(1)).get({ timeout: '20s' }), 1);
    });
  });

  it('is refused where it is written', async () => {
    const app = new Celeriac('wrong');
    for (const unique of [
      {},
      { mode: 'maybe' },
      { mode: 'reject', ttl: 0 },
      { mode: 'reject', keys: 1 },
      true,
    ]) {
      assert.throws(() => app.task('x', { unique: unique as never }, () => 1), OptionError);
    }
    await app.close();
  });
});

function range(n: number): number[] {
  return [...Array(n).keys()];
}
