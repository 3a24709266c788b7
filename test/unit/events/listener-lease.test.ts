import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import { announceListener, ListenerLease } from '#src/events/listener-lease.js';
import { FakeRecords } from '../../support/fake-records.js';

/** A broker in memory whose notices arrive at once; timers are the test's. */
function fleet(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const records = new FakeRecords();
  const listeners = new Set<() => void>();
  const gaps = new Set<() => void>();
  const signals = {
    notify: () => {
      for (const listener of listeners) listener();
    },
    subscribe: async (_: string, listener: () => void) => void listeners.add(listener),
    unsubscribe: (_: string, listener: () => void) => void listeners.delete(listener),
    onGap: (gap: () => void) => void gaps.add(gap),
  };
  const engine = { records, signals } as unknown as Engine;
  const changes: boolean[] = [];
  const lease: ListenerLease = new ListenerLease(engine, () => changes.push(lease.wanted));
  return {
    engine,
    records,
    signals,
    listeners,
    lease,
    changes,
    gap: () => {
      for (const gap of gaps) gap();
    },
    /** The renewals and looks of five seconds, answered. */
    async fiveSeconds() {
      t.mock.timers.tick(5_000);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('A listener', () => {
  it('is heard of at once, by those who follow', async (t) => {
    const { engine, lease, changes } = fleet(t);
    await lease.follow();
    assert.equal(lease.wanted, false);
    t.after(await announceListener(engine));
    assert.equal(lease.wanted, true);
    assert.deepEqual(changes, [true]);
  });

  it('renews its lease while it listens, beside others, and no longer', async (t) => {
    const { engine, records, fiveSeconds } = fleet(t);
    const version = () => records.kept.get('events')?.version;
    const stop = await announceListener(engine);
    assert.deepEqual([version(), records.kept.get('events')?.ttlMs], [1, 15_000]);
    await fiveSeconds();
    assert.equal(version(), 2);
    records.kept.clear();
    await fiveSeconds();
    assert.equal(version(), 1, 'told anew after its record was lost');
    stop();
    await fiveSeconds();
    assert.equal(version(), 1);
  });
});

describe('A publisher', () => {
  it('publishes no more once the lease of the last listener is over', async (t) => {
    const { engine, records, lease, changes, fiveSeconds } = fleet(t);
    await lease.follow();
    (await announceListener(engine))();
    await fiveSeconds();
    assert.equal(lease.wanted, true, 'it died, perhaps: its lease stands');
    records.kept.clear();
    await fiveSeconds();
    assert.deepEqual(changes, [true, false]);
    const { read } = records.calls;
    await fiveSeconds();
    assert.equal(records.calls.read, read, 'nothing is asked while nobody listens');
  });

  it('looks again after notices may have been missed, and keeps what it knows while the broker is away', async (t) => {
    const { records, lease, gap, fiveSeconds } = fleet(t);
    await lease.follow();
    await records.create('events', '');
    gap();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(lease.wanted, true);
    t.mock.method(records, 'read', () => Promise.reject(new Error('gone')));
    await fiveSeconds();
    assert.equal(lease.wanted, true);
  });

  it('follows once, and anew where it could not', async (t) => {
    const { signals, listeners, lease } = fleet(t);
    const refused = t.mock.method(signals, 'subscribe', () => Promise.reject(new Error('gone')));
    await lease.follow();
    refused.mock.restore();
    await Promise.all([lease.follow(), lease.follow()]);
    await lease.follow();
    assert.equal(listeners.size, 1);
  });

  it('that is closed wants nothing any more, whatever comes', async (t) => {
    const { engine, lease, listeners, changes } = fleet(t);
    await lease.follow();
    t.after(await announceListener(engine));
    lease.close();
    await lease.look();
    assert.deepEqual([lease.wanted, listeners.size, changes], [false, 0, [true, false]]);
  });
});
