/**
 * The broker's master dies while a process that has only the ids waits for them: the replica takes over, and nobody waits
 * in vain. `CELERIAC_CAMPAIGN=1`: more of it, and a master that freezes instead of dying.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailableError, Celeriac, chain } from 'celeriac';
import { Redis } from 'ioredis';
import { Counter, gate, rejection, startProgram, testApp, until, within } from '../support/app.js';
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

describe("Calls with acceptance: 'replicated'", { timeout: 120_000 }, () => {
  it('resolve once a replica has the task, and are refused with the id while none answers', async (t) => {
    const sentinels = await startSentinels();
    const replica = new Redis({ port: sentinels.replica.port });
    t.after(async () => {
      replica.disconnect();
      await sentinels.close();
    });
    const { app } = testApp(t, { broker: sentinels.url, acceptance: 'replicated' });
    const echo = app.task('echo', async (n: number) => n);
    const has = async (id: string) => (await replica.keys(`*${id}*`)).length > 0;
    for (let n = 0; n < 20; n++) assert.ok(await has((await echo.delay(n)).id), `the replica has call ${n}`);
    const whole = await chain(echo.s(1), echo.s()).delay();
    assert.ok(await has(whole.id.replace(/\..*/s, '')), 'a workflow');
    const many = await Promise.all([1, 2, 3].map((n) => echo.applyAsync([n], { taskId: `own ${n}` })));
    assert.equal(many.length, 3);

    sentinels.replica.freeze();
    const hasty = new Celeriac('hasty', { broker: sentinels.url, prefix: 'hasty', publishRetry: 300 });
    t.after(() => hasty.close());
    const late = hasty.task('echo', async (n: number) => n);
    await late.delay(1);
    const error = await rejection(late.applyAsync([1], { acceptance: 'replicated' }));
    assert(error instanceof BrokerUnavailableError, String(error));
    assert.match(error.message, /No replica/);
    assert.equal(await hasty.result(error.taskId ?? '').exists(), true, 'the master has it');
    sentinels.replica.thaw();
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
