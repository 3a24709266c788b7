/** Which calls come together, when they begin, and where the slot of a batch is. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Appetite, Delivery } from '#src/queue/delivery.js';
import type { RegisteredTask } from '#src/tasks/registry.js';
import { BatchCollector } from '#src/worker/batches/collector.js';
import type { Seat } from '#src/worker/batches/seat.js';
import type { Admission } from '#src/worker/run/executor-params.js';
import type { RunningCall } from '#src/worker/run/running-call.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const WAIT_MS = 1000;

/** A call with a slot, as it was fetched. */
class Call {
  slots = 1;
  asked = 0;
  appetite: Appetite | undefined;
  admission: Admission | undefined;
  value: unknown;
  #give: () => void = () => undefined;
  readonly delivery: Delivery;

  constructor(
    readonly n: number,
    change: object = {},
  ) {
    this.delivery = {
      taskId: `${n}`,
      jobId: `${n}`,
      token: `${n}`,
      name: 'add',
      ref: { queue: 'q', id: `${n}` },
      message: {},
      stalls: 0,
      retries: 0,
      deliveries: 1,
      lendSlot: () => {
        this.slots = 0;
      },
      takeSlot: () => {
        this.slots = 1;
      },
      hasSlot: () => this.slots > 0,
      bringNext: (appetite: Appetite) => {
        this.appetite = appetite;
      },
      regainSlot: () => {
        this.asked++;
        return new Promise<void>((resolve) => {
          this.#give = () => {
            this.slots = 1;
            resolve();
          };
        });
      },
      ...change,
    } as unknown as Delivery;
  }

  /** It gets the slot it asked for. */
  give(): void {
    this.#give();
  }

  get seat(): Seat<RunningCall> | undefined {
    return this.admission !== undefined && 'seat' in this.admission ? this.admission.seat : undefined;
  }

  get outcome(): string | undefined {
    return this.admission !== undefined && 'outcome' in this.admission
      ? this.admission.outcome.kind
      : undefined;
  }

  take(): void {
    const request = { tags: [], priority: 0, n: this.n };
    const call = { delivery: this.delivery, request, limits: {} } as unknown as RunningCall;
    this.seat?.take(call, [this.n]).then(
      (value) => {
        this.value = value;
      },
      (error: Error) => {
        this.value = error.message;
      },
    );
  }
}

function setUp(t: TestContext, run: object = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const errors: Error[] = [];
  const ran: number[][] = [];
  const signals: AbortSignal[] = [];
  let now = 0;
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const clock = { now: () => now, stopped: false };
  const collector = new BatchCollector(
    { stopping: false } as never,
    clock,
    (error) => void errors.push(error),
  );
  const task = {
    name: 'add',
    run: { batch: { size: 3, waitMs: WAIT_MS }, acksLate: true, maxDeliveries: 3, ...run },
    target: {
      kind: 'function',
      async fn(this: { signal: AbortSignal }, numbers: number[]) {
        ran.push(numbers);
        signals.push(this.signal);
        await opened;
        return numbers.map((n) => n * 10);
      },
    },
  } as unknown as RegisteredTask;
  return {
    collector,
    ran,
    signals,
    errors,
    open,
    later: (ms: number) => {
      now += ms;
    },
    misfits: (call: Call) =>
      collector.refuses(call.delivery, { get: (name) => (name === 'add' ? task : undefined) }),
    takes: (call: Call) => collector.takes(call.delivery, task),
    tick: async (ms: number) => {
      t.mock.timers.tick(ms);
      await turn();
    },
    join: async (...calls: Call[]) => {
      for (const call of calls)
        void collector.join(call.delivery, task).then((admission) => {
          call.admission = admission;
        });
      await turn();
    },
  };
}

const calls = (count: number, change?: object) =>
  Array.from({ length: count }, (_, n) => new Call(n, change));

describe('The calls of a batch task', () => {
  it('lend their slots while they wait; the one that fills the batch keeps its own', async (t) => {
    const { collector, join, open, ran } = setUp(t);
    const all = calls(3);
    const [first, second, third] = all as [Call, Call, Call];
    await join(first, second);
    assert.deepEqual([first.slots, second.slots, collector.size], [0, 0, 2]);
    assert.equal(first.admission, undefined);
    await join(third);
    assert.deepEqual([first.slots, second.slots, third.slots, collector.size], [0, 0, 1, 0]);
    first.take();
    third.take();
    await turn();
    assert.deepEqual(ran, [], 'one is still on its way');
    second.take();
    open();
    await turn();
    assert.deepEqual(ran, [[0, 1, 2]], 'in the order they came');
    assert.deepEqual([first.value, second.value, third.value], [0, 10, 20]);
  });

  it('begin when their time is over, on a slot that one of them takes again', async (t) => {
    const { join, tick, open } = setUp(t);
    const all = calls(2);
    const [first, second] = all as [Call, Call];
    await join(first, second);
    await tick(WAIT_MS - 1);
    assert.equal(first.asked, 0);
    await tick(1);
    assert.deepEqual([first.asked, second.asked, first.admission], [1, 0, undefined]);
    first.give();
    await turn();
    for (const call of all) call.take();
    open();
    await turn();
    assert.deepEqual([first.value, second.value, first.slots, second.slots], [0, 10, 1, 0]);
  });

  it('begin at once when they are full before that slot came, which then goes back', async (t) => {
    const { join, tick } = setUp(t);
    const [first, second, third] = calls(3) as [Call, Call, Call];
    await join(first, second);
    await tick(WAIT_MS);
    await join(third);
    assert.ok(first.seat);
    first.give();
    await turn();
    assert.deepEqual([first.slots, second.slots, third.slots], [0, 0, 1]);
  });

  it('keep a slot that came late when it has become the slot of the batch', async (t) => {
    const { join, tick } = setUp(t);
    const [first, second, third] = calls(3) as [Call, Call, Call];
    await join(first, second);
    await tick(WAIT_MS);
    await join(third);
    third.seat?.leave();
    assert.deepEqual([first.slots, third.slots], [1, 0]);
    first.give();
    await turn();
    assert.equal(first.slots, 1);
  });

  it('pass the slot of the batch on when the one that has it ends before the others', async (t) => {
    const { join, open, signals } = setUp(t);
    const all = calls(3);
    const [first, second, third] = all as [Call, Call, Call];
    await join(...all);
    for (const call of all) call.take();
    await turn();
    third.seat?.aborted('its time is over');
    third.seat?.leave();
    assert.deepEqual([first.slots, second.slots, third.slots], [1, 0, 0]);
    first.seat?.leave();
    assert.deepEqual([first.slots, second.slots], [0, 1]);
    assert.equal(signals[0]?.aborted, false);
    second.seat?.aborted('so is this');
    assert.equal(signals[0]?.reason, 'so is this');
    second.seat?.leave();
    assert.equal(second.slots, 1, 'its run gives it back');
    open();
    await turn();
  });

  it('run without those that ended on their way, and not at all without any', async (t) => {
    const { join, ran, tick } = setUp(t);
    const all = calls(3);
    await join(...all);
    all[0]?.take();
    all[1]?.seat?.leave();
    all[2]?.take();
    await turn();
    assert.deepEqual(ran, [[0, 2]]);
    const others = calls(3);
    await join(...others);
    for (const call of others) call.seat?.leave();
    await tick(WAIT_MS);
    assert.equal(ran.length, 1);
  });

  it('end without running when they are withdrawn, expired or handed back', async (t) => {
    const { collector, join, later, tick } = setUp(t);
    const [first, second] = calls(2) as [Call, Call];
    await join(first, second);
    assert.equal(
      collector.withdraw(({ token }) => token === '0', { kind: 'lost' }),
      1,
    );
    await turn();
    assert.deepEqual([first.outcome, second.outcome, collector.size], ['lost', undefined, 1]);
    const expiring = new Call(2, { message: { expires: 500 } });
    await join(expiring);
    later(600);
    const last = new Call(3);
    await join(last);
    assert.deepEqual([expiring.outcome, second.seat !== undefined, last.slots], ['revoked', true, 1]);
    const waiting = new Call(4);
    await join(waiting);
    collector.close();
    await join(new Call(5));
    assert.equal(waiting.outcome, 'handBack');
    const late = new Call(6);
    await join(late);
    assert.deepEqual([late.outcome, late.slots, collector.size], ['handBack', 1, 0]);
    await tick(WAIT_MS);
  });

  it('come to no slot that was asked for one that is withdrawn', async (t) => {
    const { collector, join, tick } = setUp(t);
    const [first, second] = calls(2) as [Call, Call];
    await join(first, second);
    await tick(WAIT_MS);
    collector.withdraw(({ token }) => token === '0', { kind: 'lost' });
    first.give();
    await turn();
    assert.deepEqual([first.slots, second.asked, second.seat], [1, 1, undefined]);
    second.give();
    await turn();
    assert.ok(second.seat);
  });

  it('of a batch that ends bring the next without slots: as many as it lacks, and few after a misfit', async (t) => {
    const { collector, join, tick, misfits } = setUp(t, { batch: { size: 40, waitMs: WAIT_MS } });
    const first = calls(40);
    await join(...first);
    const wants = () => first.filter(({ appetite }) => appetite?.wants()).length;
    assert.equal(wants(), 40);
    assert.equal(wants(), 0, 'all are under way');
    for (const { appetite } of first) appetite?.fed();
    const slotless = calls(39).map((call) => Object.assign(call, { slots: 0 }));
    await join(...slotless);
    assert.equal(wants(), 1);
    const last = new Call(40);
    last.slots = 0;
    await join(last);
    assert.equal(slotless[0]?.asked, 1, 'full, and none brought a slot');
    slotless[0]?.give();
    await turn();
    assert.ok(last.seat);
    assert.deepEqual([slotless[0]?.slots, last.slots], [1, 0]);
    assert.equal(misfits(new Call(41)), false, 'it has a slot');
    const foreign = new Call(42, { name: 'other' });
    assert.equal(misfits(foreign), false);
    foreign.slots = 0;
    assert.equal(misfits(foreign), true);
    slotless[0]?.appetite?.fed();
    assert.equal(wants(), 1, 'it begins anew');
    collector.close();
    await tick(WAIT_MS);
  });

  it('keep one slot for the batch while it is filled, and lend it when that does not fill it', async (t) => {
    const { join, tick } = setUp(t);
    const [a, b, c] = calls(3) as [Call, Call, Call];
    await join(a, b, c);
    assert.ok(a.appetite?.wants());
    const [kept, other] = calls(2) as [Call, Call];
    await join(kept, other);
    assert.deepEqual([kept.slots, other.slots], [1, 0]);
    a.appetite?.fed();
    assert.equal(kept.slots, 0);
    assert.ok(a.appetite?.wants());
    const filling = new Call(9);
    await join(filling);
    assert.ok(kept.seat);
    assert.deepEqual([kept.slots, other.slots, filling.slots], [0, 0, 1]);
    await tick(WAIT_MS);
  });

  it('are as many as may run at once, and few after a death', async (t) => {
    const limited = setUp(t, { concurrency: { limit: 2, key: undefined } });
    const [first, second] = calls(2) as [Call, Call];
    await limited.join(first, second);
    assert.ok(first.seat);
    t.mock.timers.reset();
    const { join, takes, collector } = setUp(t, { batch: { size: 9, waitMs: WAIT_MS } });
    const again = calls(3, { stalls: 1 });
    await join(new Call(8), ...again.slice(0, 2));
    assert.equal(again[0]?.seat, undefined);
    await join(...again.slice(2));
    assert.ok(again[0]?.seat);
    assert.equal(takes(new Call(9, { stalls: 1 })), true);
    assert.equal(takes(new Call(9, { stalls: 2 })), false, 'the last death it may bring');
    assert.equal(takes(new Call(9, { message: { each: true } })), false);
    collector.close();
  });
});
