/** What a look at a result costs, and a call that is awaited: counted by the server, for one process. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { AsyncResult, CallOptions } from 'celeriac';
import { testApp } from '../support/app.js';
import { startRedis } from '../support/redis.js';
import { redisMeter } from '../support/redis-meter.js';

const TIMES = 100;
/** Connecting, clocks, the sweep: what comes once or by time. */
const BESIDE = 20;

describe('On Redis, in one process', { timeout: 120_000 }, () => {
  it('a snapshot is one round trip; one more to find an id of a caller’s own', async (t) => {
    const { app, reader, sent } = await ground(t);
    const task = app.task('may-fail', (n: number) => {
      if (n % 2 === 1) throw new Error('odd');
      return n;
    });
    const call = async (options: (n: number) => CallOptions) => {
      const numbers = Array.from({ length: TIMES }, (_, n) => n);
      const called = await Promise.all(numbers.map((n) => task.applyAsync([n], options(n))));
      await Promise.all(called.map((result) => result.get({ propagate: false })));
      return called.map(({ id }) => reader.result(id));
    };
    const look = (results: readonly AsyncResult[]) =>
      sent(async () => {
        for (const [n, result] of results.entries()) {
          const { known, state, args } = await result.snapshot();
          assert.deepEqual([known, state, args], [true, n % 2 === 1 ? 'FAILURE' : 'SUCCESS', [n]]);
        }
      });
    const generated = await call(() => ({}));
    const own = await call((n) => ({ taskId: `own ${n}` }));
    const each = [await look(generated), await look(own), await look(own)].map((n) => Math.round(n / TIMES));
    assert.deepEqual(each, [1, 2, 1]);
  });

  it('looks of one tick are one round trip', async (t) => {
    const { app, reader, sent } = await ground(t);
    const task = app.task('one', () => 1);
    const ids = (await Promise.all(Array.from({ length: TIMES }, () => task.delay()))).map(({ id }) => id);
    await reader.result(ids[0] ?? '').exists();
    const commands = await sent(() => Promise.all(ids.map((id) => reader.result(id).snapshot())));
    assert.ok(commands > 0 && commands < BESIDE, `${commands} commands`);
  });

  it('a call that is awaited is two round trips at most', async (t) => {
    const { app, reader, sent } = await ground(t);
    app.task('echo', (n: number) => n);
    const call = async (n: number) => assert.equal(await (await reader.sendTask('echo', [n])).get(), n);
    await call(-1);
    const commands = await sent(async () => {
      for (let n = 0; n < TIMES; n++) await call(n);
    });
    t.diagnostic(`${commands} commands for ${TIMES} calls, one after another`);
    assert.ok(commands >= TIMES && commands < 2 * TIMES + BESIDE, `${commands} commands`);
  });
});

/** An app whose worker runs, and another whose commands are counted. */
async function ground(t: TestContext) {
  const redis = await startRedis();
  const meter = await redisMeter(redis.port);
  await meter.admit('reader');
  const { app, twin, worker } = testApp(t, { broker: redis.url });
  await worker();
  const reader = twin({ broker: redis.url.replace('://', '://reader:secret@') });
  t.after(() => meter.close());
  t.after(() => redis.close());
  await reader.result('nobody').exists();
  return {
    app,
    reader,
    /** Commands sent while this is done. */
    async sent(work: () => Promise<unknown>): Promise<number> {
      const count = await meter.counting('reader');
      await work();
      return count();
    },
  };
}
