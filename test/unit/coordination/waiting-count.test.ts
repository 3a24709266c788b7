import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countWaiting } from '#src/coordination/waiting-count.js';
import { laneOf } from '#src/protocol/lanes.js';
import { FakeRecords } from '../../support/fake-records.js';

const PATIENT_MS = 60_000;

/** A broker whose jobs wait as `waiting` says; counts how often it was asked. */
function broker(waiting: () => Promise<ReadonlyMap<string, number>>) {
  const records = new FakeRecords();
  const clock = { at: 1_000_000, now: () => clock.at };
  const asked = { times: 0 };
  const steps = {
    waiting: () => {
      asked.times++;
      return waiting();
    },
  };
  const engine = { records, steps } as unknown as Parameters<typeof countWaiting>[0];
  return {
    records,
    clock,
    asked,
    count: (patienceMs = PATIENT_MS) => countWaiting(engine, clock, patienceMs),
  };
}

describe('the count of tasks that wait', () => {
  it('is made by one process for all, and again when it no longer holds', async () => {
    let waiting = 2;
    const { count, clock, asked } = broker(async () => new Map([['mail', waiting]]));
    assert.deepEqual(await count(), { mail: 2 });
    waiting = 5;
    clock.at += 2_900;
    assert.deepEqual(await count(), { mail: 2 });
    assert.equal(asked.times, 1);
    clock.at += 60_000;
    assert.deepEqual(await count(), { mail: 5 });
    assert.equal(asked.times, 2);
  });

  it('adds lanes to their queue, whatever it is called', async () => {
    const { count } = broker(
      async () =>
        new Map([
          ['mail', 1],
          [laneOf('mail', 'slow'), 2],
          ['__proto__', 3],
          ['constructor', 4],
        ]),
    );
    const first = await count();
    assert.deepEqual(Object.entries(first ?? {}), [
      ['mail', 3],
      ['__proto__', 3],
      ['constructor', 4],
    ]);
    assert.deepEqual(Object.entries((await count()) ?? {}), Object.entries(first ?? {}));
  });

  it('is the last one while another process counts, and where a count takes long', async () => {
    let finish: () => void = () => undefined;
    let counts = new Map([['mail', 1]]);
    const gates = [Promise.resolve()];
    const { count, clock, asked } = broker(async () => {
      await gates.at(-1);
      return counts;
    });
    await count();
    clock.at += 60_000;
    gates.push(new Promise((resolve) => (finish = resolve)));
    counts = new Map([['mail', 9]]);
    assert.deepEqual(await count(1), { mail: 1 });
    assert.deepEqual(await count(), { mail: 1 });
    assert.equal(asked.times, 2);
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await count(), { mail: 9 });
  });

  it('is unknown before the first one is done', async () => {
    const { count } = broker(() => new Promise(() => undefined));
    assert.equal(await count(1), undefined);
    assert.equal(await count(), undefined);
  });

  it('is made by the next one when a process dies or fails in the middle', async () => {
    let fails = true;
    const { count, clock, records, asked } = broker(async () => {
      if (fails) throw new Error('gone');
      return new Map([['mail', 1]]);
    });
    await assert.rejects(count(), /gone/);
    fails = false;
    assert.deepEqual(await count(), { mail: 1 });
    await records.remove('waiting-count');
    await records.create('waiting-count', JSON.stringify({ until: clock.at + 60_000 }));
    assert.equal(await count(), undefined);
    clock.at += 60_001;
    assert.deepEqual(await count(), { mail: 1 });
    assert.equal(asked.times, 3);
  });

  it('believes no text of others', async () => {
    for (const text of ['nonsense', 'null', '{"until":"x"}', '{"until":1,"counts":{"mail":"many"}}']) {
      const { count, records } = broker(async () => new Map());
      await records.create('waiting-count', text);
      assert.deepEqual(await count(), {}, text);
    }
  });
});
