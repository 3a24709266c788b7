/**
 * The broker's master dies while a process that has only the ids waits for them: the replica takes over, and nobody waits
 * in vain. `CELERIAC_CAMPAIGN=1`: more of it, and a master that freezes instead of dying.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { Counter, gate, startProgram, testApp, until, within } from '../support/app.js';
import { startSentinels } from '../support/redis-sentinel.js';

const CAMPAIGN = process.env.CELERIAC_CAMPAIGN !== undefined;
const TASKS = CAMPAIGN ? 5_000 : 300;
const LONG_MS = CAMPAIGN ? 300_000 : 90_000;

describe('A Sentinel failover', { timeout: 600_000 }, () => {
  for (const how of CAMPAIGN ? (['dies', 'freezes'] as const) : (['dies'] as const)) {
    it(`loses no wait when the master ${how}`, async (t) => {
      const sentinels = await startSentinels();
      t.after(() => sentinels.close());
      const { app, prefix, lines, worker } = testApp(t, { broker: sentinels.url });
      const [ran, open] = [new Counter(), gate()];
      const echo = app.task('echo', async (n: number) => {
        if (ran.add() > TASKS / 3) await open.opened;
        return n;
      });
      const sent = await Promise.all(Array.from({ length: TASKS }, (_, n) => echo.delay(n)));
      const own = Promise.all(sent.map((result) => result.get()));
      own.catch(() => undefined); // looked at below
      const file = new URL('../integration/programs/waiter.js', import.meta.url);
      const waiter = startProgram(t, file, [sentinels.url, prefix]);
      await waiter.message<object>((message) => 'up' in message);
      waiter.send({ wait: sent.map(({ id }) => id), first: 0 });
      await waiter.message<object>((message) => 'waiting' in message);
      await worker({ concurrency: 20 });
      await ran.reached(TASKS / 3);
      await sentinels.replicated();
      if (how === 'dies') await sentinels.master.stop('SIGKILL');
      else sentinels.master.freeze();
      open.open();
      await within(sentinels.failedOver(), 'the failover', LONG_MS);
      const outcome = await waiter.message<{
        wrong: string[];
        wrongs: number;
        early: number;
        lateMs: number;
      }>((message) => 'wrongs' in message, LONG_MS);
      assert.deepEqual([outcome.wrong, outcome.wrongs], [[], 0]);
      assert.ok(outcome.early > TASKS / 2, `${outcome.early} waits begun before the end`);
      t.diagnostic(
        `${TASKS} waits, ${outcome.early} begun before the end, the latest heard of ${outcome.lateMs} ms after it`,
      );
      assert.deepEqual(
        await within(own, 'the results here', LONG_MS),
        sent.map((_, n) => n),
      );
      assert.equal(await until(() => callAgain(() => echo.delay(7)), 'a call that is accepted'), 7);
      assert.ok(
        lines.some(({ message }) => message.includes('lost the connection')),
        lines.map(({ message }) => message).join('\n'),
      );
    });
  }

  it('that is ordered takes callers and workers along, while the old master still takes writes', async (t) => {
    const sentinels = await startSentinels();
    const [old, fresh] = [sentinels.master, sentinels.replica].map(({ port }) => new Redis({ port }));
    t.after(async () => {
      for (const client of [old, fresh]) client?.disconnect();
      await sentinels.close();
    });
    const { app, worker } = testApp(t, { broker: sentinels.url });
    const echo = app.task('echo', async (n: number) => n);
    await worker({ concurrency: 2 });
    assert.equal(await (await echo.delay(1)).get(), 1);
    await sentinels.failOver();
    await within(sentinels.failedOver(), 'the failover', LONG_MS);
    const ended = await until(async () => {
      const result = await echo.delay(2);
      const value = await result.get({ timeout: '2s' }).catch(() => undefined);
      // The old master replicates nothing from the new one yet: what is there was sent there.
      return value === 2 && (await fresh?.keys(`*${result.id}`))?.length ? result : undefined;
    }, 'a task that is sent to the new master and run from there');
    assert.ok(ended);
    assert.match(
      String(await old?.info('replication')),
      /role:master/,
      'nobody has made the old one a replica',
    );
  });
});

/** Calls are refused while nobody is the master. */
async function callAgain(call: () => Promise<{ get(): Promise<number> }>): Promise<number | undefined> {
  try {
    return await (await call()).get();
  } catch {
    return undefined;
  }
}
