import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IQueueBackend } from 'bullmq';
import { budgeted } from '#src/broker/budgeted-backend.js';
import { Pulse } from '#src/broker/pulse.js';
import { Share, SlotLedger, Slots } from '#src/broker/slots.js';

/** A backend that hands out the jobs it was given, in BullMQ's shapes; what is asked of it is kept. */
class FakeBackend {
  readonly jobs: string[] = [];
  readonly calls: unknown[] = [];
  marker: { member: string; score: number } | null = { member: '0', score: 0 };
  broken: Error | undefined;
  /** What the answer to a delaying waits for. */
  delaying: Promise<void> | undefined;

  #fetch(): unknown[] {
    const id = this.jobs.shift();
    return id === undefined ? [undefined, undefined, 0, 0] : [{}, id, 0, 0];
  }
  async moveToActive() {
    this.calls.push('moveToActive');
    if (this.broken) throw this.broken;
    return this.#fetch();
  }
  async waitForJob() {
    this.calls.push('waitForJob');
    return this.marker;
  }
  async moveToCompleted(
    job: { id: string },
    _value: unknown,
    _remove: unknown,
    _token: string,
    fetchNext: boolean,
  ) {
    this.calls.push(['moveToCompleted', job.id, fetchNext]);
    if (this.broken) throw this.broken;
    return { result: fetchNext ? this.#fetch() : undefined };
  }
  async moveToFailed(job: { id: string }, _r: unknown, _remove: unknown, _token: string, fetchNext: boolean) {
    this.calls.push(['moveToFailed', job.id, fetchNext]);
    return { result: fetchNext ? this.#fetch() : undefined };
  }
  async moveToDelayed(
    id: string,
    _at: number,
    _delay: number,
    _token: string,
    opts: { fetchNext?: boolean },
  ) {
    this.calls.push(['moveToDelayed', id, opts.fetchNext]);
    await this.delaying;
    return opts.fetchNext ? this.#fetch() : undefined;
  }
  async retryJob(id: string) {
    this.calls.push(['retryJob', id]);
  }
  async moveJobFromActiveToWait(id: string) {
    this.calls.push(['moveJobFromActiveToWait', id]);
  }
}

function setUp(
  size: number,
  jobs: readonly string[] = [],
  slots = new Slots(size),
  { leavesMarker = true } = {},
) {
  const fake = new FakeBackend();
  fake.jobs.push(...jobs);
  const ledger = new SlotLedger(slots);
  const moved: string[] = [];
  const hooks = {
    ledger,
    gate: undefined,
    noticeFirst: false,
    leavesMarker,
    pulse: new Pulse(),
    moved: (jobId: string) => void moved.push(jobId),
    left: () => undefined,
  };
  const make = budgeted((() => fake) as never, hooks) as unknown as (...args: unknown[]) => IQueueBackend;
  const backend = make('q', {}, { withBlockingConnection: true });
  let fetches = 0;
  /** The token each job was fetched under; one that comes with the end of another has the other's. */
  const tokens = new Map<string, string>();
  const tokenOf = (id: string) => tokens.get(id) ?? 'none';
  const fetch = async () => {
    const token = `token:${fetches++}`;
    const id = (await backend.moveToActive(token, 'node'))[1] as string | undefined;
    if (id !== undefined) tokens.set(id, token);
    return id;
  };
  const complete = async (id: string, next = true) => {
    const token = tokenOf(id);
    const done = await backend.moveToCompleted({ id } as never, 1, false as never, token, next);
    const fetched = done.result as unknown[] | undefined;
    if (fetched?.[1] !== undefined) tokens.set(String(fetched[1]), token);
    return fetched;
  };
  return { fake, slots, ledger, moved, backend, fetch, complete, tokenOf };
}

describe('A backend on a budget', () => {
  it('fetches no more jobs than there are slots, without asking the broker for more', async () => {
    const { fake, slots, fetch } = setUp(2, ['1', '2', '3']);
    assert.deepEqual([await fetch(), await fetch(), await fetch()], ['1', '2', undefined]);
    assert.equal(slots.used, 2);
    assert.equal(fake.calls.length, 2);
  });

  it('gives the slot back when a fetch brought nothing, or failed', async () => {
    const { fake, slots, fetch } = setUp(1);
    assert.equal(await fetch(), undefined);
    assert.equal(slots.used, 0);
    fake.broken = new Error('gone');
    await assert.rejects(fetch(), /gone/);
    assert.equal(slots.used, 0);
  });

  it('passes the slot of a finished job to the one fetched with it, and gives it back when there is none', async () => {
    const { slots, fetch, complete, moved } = setUp(1, ['1', '2']);
    await fetch();
    assert.equal((await complete('1'))?.[1], '2');
    assert.equal(slots.used, 1);
    assert.equal((await complete('2'))?.[1], undefined);
    assert.equal(slots.used, 0);
    assert.deepEqual(moved, ['1', '2']);
  });

  it('fetches nothing with a finished job once the budget has shrunk below what runs', async () => {
    const { fake, slots, fetch, complete } = setUp(3, ['1', '2', '3', '4']);
    for (let i = 0; i < 3; i++) await fetch();
    slots.resize(1);
    await complete('1');
    await complete('2');
    assert.deepEqual(fake.calls.slice(-2), [
      ['moveToCompleted', '1', false],
      ['moveToCompleted', '2', false],
    ]);
    assert.equal((await complete('3'))?.[1], '4', 'the last slot goes on');
    assert.equal(slots.used, 1);
  });

  it('gives the slot back whichever way a job leaves, also when the write fails', async () => {
    const { fake, slots, backend, fetch, tokenOf } = setUp(9, ['1', '2', '3', '4', '5']);
    for (let i = 0; i < 5; i++) await fetch();
    await backend.moveToFailed({ id: '1' } as never, 'x', false as never, tokenOf('1'), false);
    await backend.moveToDelayed('2', 0, 0, tokenOf('2'), {});
    await backend.retryJob('3', false, tokenOf('3'), {});
    await backend.moveJobFromActiveToWait('4', tokenOf('4'));
    assert.equal(slots.used, 1);
    fake.broken = new Error('lost');
    await assert.rejects(
      backend.moveToCompleted({ id: '5' } as never, 1, false as never, tokenOf('5'), true),
      /lost/,
    );
    assert.equal(slots.used, 0);
  });

  it('waits for a slot instead of a job after a fetch was refused, and then keeps it for the fetch', async () => {
    const { fake, slots, backend, fetch, complete } = setUp(1, ['1', '2']);
    await fetch();
    assert.equal(await fetch(), undefined);
    const waiting = backend.waitForJob(60);
    let woke = false;
    void waiting.then(() => {
      woke = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(woke, false, 'no slot, no wake-up');
    fake.calls.length = 0;
    await complete('1', false);
    assert.notEqual(await waiting, null);
    assert.equal(slots.used, 1, 'reserved');
    assert.equal(slots.tryTake(new Share()), false);
    assert.equal(await fetch(), '2');
    assert.equal(slots.used, 1);
    assert.deepEqual(
      fake.calls,
      [['moveToCompleted', '1', false], 'moveToActive'],
      'the broker was not asked for a marker',
    );
  });

  it('leaves what may follow a lone job to the marker that its fetch left, but not in a burst', async () => {
    const { fake, backend, fetch } = setUp(9, ['1', '2', '3']);
    const asked = () => fake.calls.splice(0).length;
    await backend.waitForJob(5);
    assert.deepEqual([await fetch(), await fetch(), asked()], ['1', undefined, 2]);
    await backend.waitForJob(5);
    assert.deepEqual([await fetch(), await fetch(), await fetch(), asked()], ['2', '3', undefined, 4]);
    fake.jobs.push('4', '5');
    await backend.waitForJob(5);
    assert.deepEqual([await fetch(), await fetch(), asked()], ['4', undefined, 2]);
    await backend.waitForJob(5);
    assert.deepEqual([await fetch(), await fetch(), asked()], ['5', undefined, 3]);
  });

  it('holds no slot for the fetch that is left out', async () => {
    const { slots, backend, fetch } = setUp(9, ['1']);
    await backend.waitForJob(5);
    await fetch();
    // A wait that ends before the marker's turn comes reserves a slot for the fetch after it.
    await backend.waitForJob(5);
    assert.equal(slots.used, 2);
    await fetch();
    assert.equal(slots.used, 1);
  });

  it('gives back both slots of a job that was fetched again before the end of its first run was heard of', async () => {
    const { fake, slots, fetch, tokenOf, backend } = setUp(9, ['1', '1']);
    await fetch();
    const first = tokenOf('1');
    let answer = () => {};
    fake.delaying = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const end = backend.moveToDelayed('1', 0, 0, first, {});
    await fetch();
    answer();
    await end;
    assert.equal(slots.used, 1);
    await backend.retryJob('1', false, tokenOf('1'), {});
    assert.equal(slots.used, 0);
  });

  it('does so only where a fetch leaves a marker', async () => {
    const { backend, fetch } = setUp(9, ['1', '2'], undefined, { leavesMarker: false });
    await backend.waitForJob(5);
    assert.deepEqual([await fetch(), await fetch()], ['1', '2']);
  });

  it('does not lose the wake-up whose marker came while no slot was free', async () => {
    const slots = new Slots(1);
    slots.take(); // another queue of the worker runs something
    const { backend, fetch } = setUp(1, ['1'], slots);
    const waiting = backend.waitForJob(60);
    await new Promise((resolve) => setImmediate(resolve));
    slots.give();
    assert.notEqual(await waiting, null);
    assert.equal(await fetch(), '1');
  });

  it('hands on BullMQ’s own answers: nothing came, or a job that is due later', async () => {
    const { fake, slots, backend } = setUp(1);
    fake.marker = null;
    assert.equal(await backend.waitForJob(1), null);
    fake.marker = { member: '0', score: Date.now() + 60_000 };
    assert.deepEqual(await backend.waitForJob(1), fake.marker);
    assert.equal(slots.used, 0);
  });

  it('shares a budget between queues so that both together never exceed it', async () => {
    const slots = new Slots(2);
    const [a, b] = [setUp(2, ['a1', 'a2'], slots), setUp(2, ['b1', 'b2'], slots)];
    assert.deepEqual(
      [await a.fetch(), await b.fetch(), await a.fetch(), await b.fetch()],
      ['a1', 'b1', undefined, undefined],
    );
    const [first, second] = [a.backend.waitForJob(60), b.backend.waitForJob(60)];
    await a.complete('a1', false);
    assert.notEqual(await first, null, 'who waited first is served first');
    assert.equal(await a.fetch(), 'a2');
    await b.complete('b1', false);
    assert.notEqual(await second, null);
    assert.equal(await b.fetch(), 'b2');
    assert.equal(slots.used, 2);
  });

  it('leaves connections that fetch nothing as they are', async () => {
    const fake = new FakeBackend();
    const make = budgeted((() => fake) as never, {} as never) as unknown as (...args: unknown[]) => unknown;
    assert.equal(make('q', {}, {}), fake);
    assert.equal(Object.hasOwn(fake, 'moveToActive'), false);
  });
});
