/**
 * Many calls in batches, while their workers are killed at random and single calls fail: each caller gets its own value or
 * its own error. `CELERIAC_CAMPAIGN=1`: a hundred thousand calls in batches of 500.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AsyncResult, TaskFailedError } from 'celeriac';
import { pause, uniqueName, until } from '../support/app.js';
import { fails, registerValues, rightValue } from '../support/batch-campaign.js';
import { campaignApp } from '../support/campaign-app.js';
import { randomFrom } from '../support/fault-plan.js';
import { startRedis } from '../support/redis.js';
import { StepFleet } from '../support/step-campaign.js';

const LONG = process.env.CELERIAC_CAMPAIGN !== undefined;
const { calls, size, kills, everyMs, lockMs } = LONG
  ? { calls: 100_000, size: 500, kills: 20, everyMs: 1500, lockMs: 3000 }
  : { calls: 1500, size: 50, kills: 2, everyMs: 100, lockMs: 500 };
const AT_ONCE = 1000;
const WORKER = new URL('./programs/batch-worker.js', import.meta.url);

describe('Batches among deaths', { timeout: LONG ? 900_000 : 90_000 }, () => {
  it('give each caller its own value or its own error', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const place = { broker: redis.url, prefix: uniqueName(), lockMs, size };
    const app = campaignApp('batches', place);
    t.after(() => app.close());
    const task = registerValues(app, size);
    const fleet = new StepFleet(t, [place.broker, place.prefix, String(lockMs), String(size)], WORKER);
    await fleet.start(2);
    const began = Date.now();
    let ended = 0;
    const wrong: string[] = [];
    const check = async (n: number, result: AsyncResult<string>) => {
      const end = await result.get({ timeout: LONG ? 800_000 : 60_000, propagate: false });
      ended++;
      const isRight = fails(n)
        ? end instanceof TaskFailedError && (end.cause as Error).message === `no value for ${n}`
        : end === rightValue(n);
      if (!isRight) wrong.push(`${n}: ${end}`);
    };
    const all = (async () => {
      const checks: Promise<void>[] = [];
      for (let from = 0; from < calls; from += AT_ONCE) {
        const numbers = Array.from({ length: Math.min(AT_ONCE, calls - from) }, (_, i) => from + i);
        const results = await app.publish(numbers.map((n) => task.s(n)));
        for (const [i, result] of results.entries()) checks.push(check(from + i, result));
      }
      await Promise.all(checks);
    })();
    const random = randomFrom(5);
    for (let n = 0; n < kills && ended < calls; n++) {
      await pause(everyMs * (0.5 + random()));
      fleet.kill(random());
    }
    await all;
    const tookMs = Date.now() - began;
    assert.deepEqual(wrong, []);
    await until(
      async () =>
        (await app.queues.list()).every((queue) => queue.waiting + queue.active + queue.delayed === 0),
      'empty queues',
    );
    await fleet.stop();
    t.diagnostic(JSON.stringify({ calls, size, killed: fleet.killed.size, tookMs }));
    assert.deepEqual(fleet.crashes, []);
    assert.ok(fleet.killed.size >= 1, `only ${fleet.killed.size} workers were killed`);
  });
});
