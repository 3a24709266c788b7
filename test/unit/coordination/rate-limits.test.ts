import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import { BrokerClock } from '#src/broker/clock.js';
import { RateLimits } from '#src/coordination/rate-limits.js';
import { FakeRecords } from '../../support/fake-records.js';

/** A broker in memory whose clock stands still, and workers over it. */
function broker() {
  const records = new FakeRecords();
  const engine = {
    records,
    serverTime: async () => Date.now(),
  } as unknown as Engine;
  const clock = new BrokerClock(engine);
  clock.stop();
  return { records, engine, clock, worker: () => new RateLimits(engine, clock) };
}

describe('A turn of a rate', () => {
  it('that is not used is there for the next one, also when others took theirs in between', async () => {
    const rate = { count: 40, periodMs: 1_000 };
    const starts = async (rates: RateLimits) => {
      let count = 0;
      while ((await rates.take('x')).granted) count++;
      return count;
    };
    const untouched = broker().worker();
    await untouched.declare('x', rate);
    const burst = await starts(untouched);
    assert.ok(burst > 1, `a burst of ${burst}`);

    const { worker } = broker();
    const [one, two] = [worker(), worker()];
    await one.declare('x', rate);
    const [mine, theirs] = [await one.take('x'), await two.take('x')];
    assert.ok(mine.granted && theirs.granted);
    // The record has moved on since this one was taken.
    await mine.turn.unused();
    await theirs.turn.unused();
    assert.equal(await starts(one), burst, 'as many as if nobody had asked');
  });

  it('is not given back twice as fast when the rate was changed meanwhile', async () => {
    const { worker } = broker();
    const rates = worker();
    await rates.declare('x', { count: 1, periodMs: 3_600_000 });
    const permit = await rates.take('x');
    assert.ok(permit.granted);
    await rates.set('x', { count: 1, periodMs: 60_000 });
    const opensAt = await rates.opensAt('x');
    await permit.turn.unused();
    assert.equal(await rates.opensAt('x'), opensAt);
  });

  it('is not asked for where there is no rate, or none any more', async () => {
    const { worker } = broker();
    const rates = worker();
    for (const lifted of [false, true]) {
      if (lifted) {
        await rates.declare('x', { count: 1, periodMs: 3_600_000 });
        const permit = await rates.take('x');
        assert.ok(permit.granted);
        await rates.set('x', null);
        await permit.turn.unused();
      }
      assert.deepEqual([(await rates.take('x')).granted, await rates.opensAt('x')], [true, undefined]);
    }
  });

  it('is had by each of many who ask at once', async () => {
    const { worker, clock } = broker();
    const rates = worker();
    await rates.declare('x', { count: 1_000_000, periodMs: 1_000 });
    clock.jump(1_000);
    const granted = await Promise.all(Array.from({ length: 50 }, () => worker().take('x')));
    assert.equal(granted.length, 50);
  });
});
