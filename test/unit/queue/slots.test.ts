import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Claimant, Share, type Slot, SlotAccount, Slots } from '#src/queue/slots.js';

const somebody = (weight = 1): Claimant => ({ share: new Share(weight) });
const soon = () => new Promise((resolve) => setImmediate(resolve));

describe('Slots', () => {
  it('are given out up to the limit and no further', () => {
    const slots = new Slots(2);
    assert.equal(slots.tryTake(new Share()), true);
    assert.equal(slots.tryTake(new Share()), true);
    assert.equal(slots.tryTake(new Share()), false);
    slots.give();
    assert.equal(slots.tryTake(new Share()), true);
    assert.equal(slots.used, 2);
  });

  it('wake as many waiters as there is room for, first come first served', async () => {
    const slots = new Slots(1);
    slots.take();
    const woken: string[] = [];
    for (const name of ['a', 'b', 'c']) void slots.whenFree(60_000, somebody()).then(() => woken.push(name));
    slots.give();
    await soon();
    assert.deepEqual(woken, ['a']);
    slots.resize(3);
    await soon();
    assert.deepEqual(woken, ['a', 'b', 'c']);
  });

  it('tell a waiter in vain when its time is up, and forget it', async () => {
    const slots = new Slots(0);
    assert.equal(await slots.whenFree(1, somebody()), false);
    const later = slots.whenFree(60_000, somebody());
    slots.resize(1);
    assert.equal(await later, true);
  });

  it('let what runs go on after shrinking, and replace nothing until there is room', () => {
    const slots = new Slots(3);
    for (let i = 0; i < 3; i++) slots.tryTake(new Share());
    slots.resize(1);
    assert.equal(slots.mayContinue(somebody()), false);
    slots.give();
    slots.give();
    assert.equal(slots.mayContinue(somebody()), true);
    assert.equal(slots.tryTake(new Share()), false);
    slots.resize(-5);
    assert.equal(slots.limit, 0);
  });
});

describe('Shares of slots', () => {
  /** Queues that always have work, on one budget: how often each was started. */
  async function race(weights: readonly number[], size: number, starts: number): Promise<number[]> {
    const slots = new Slots(size);
    const accounts = weights.map((weight) => new SlotAccount(slots, new Share(weight)));
    const counts = weights.map(() => 0);
    const running: { readonly account: SlotAccount; readonly slot: Slot }[] = [];
    let total = 0;
    const start = (account: SlotAccount, slot: Slot) => {
      const which = accounts.indexOf(account);
      counts[which] = (counts[which] ?? 0) + 1;
      total++;
      running.push({ account, slot });
    };
    const fetching = accounts.map(async (account) => {
      while (total < starts) {
        const slot = account.take();
        if (slot === undefined) await account.whenFree(60_000);
        else start(account, slot);
      }
    });
    while (total < starts) {
      await soon();
      const ended = running.shift();
      if (ended === undefined) continue;
      const { account, slot } = ended;
      if (account.mayContinue()) {
        slot.passOn();
        start(account, slot);
      } else slot.give();
    }
    slots.resize(1000);
    await Promise.all(fetching);
    return counts;
  }

  for (const size of [1, 3, 8]) {
    it(`follow their weights on ${size} slots, and nobody starves`, async () => {
      const [a = 0, b = 0, c = 0] = await race([5, 2, 1], size, 800);
      assert(Math.abs(a - 500) < 20 && Math.abs(b - 200) < 20 && Math.abs(c - 100) < 20, `${[a, b, c]}`);
    });
  }

  it('who was idle does not make up for it', () => {
    const slots = new Slots(1000);
    const [busy, late] = [new Share(), new Share()];
    for (let i = 0; i < 500; i++) slots.tryTake(busy);
    slots.tryTake(late);
    assert(busy.had - late.had <= 2, `${busy.had} and ${late.had}`);
  });

  it('a slot that was taken for nothing does not count', () => {
    const slots = new Slots(1);
    const share = new Share(2);
    slots.tryTake(share);
    slots.giveUnused(share);
    assert.deepEqual([share.had, slots.used], [0, 0]);
  });
});

describe('A slot account', () => {
  it('gives a slot back once, however often it is asked', () => {
    const slots = new Slots(2);
    const account = new SlotAccount(slots);
    const slot = account.take();
    assert.deepEqual([slots.used, account.held], [1, 1]);
    slot?.give();
    slot?.give();
    slot?.giveUnused();
    assert.deepEqual([slots.used, account.held], [0, 0]);
  });

  it('takes nothing once it is closed, and lets go of who waits', async () => {
    const slots = new Slots(1);
    slots.take();
    const account = new SlotAccount(slots);
    const waiting = account.whenFree(60_000);
    account.close();
    assert.equal(await waiting, false);
    slots.give();
    assert.equal(account.take(), undefined);
    assert.deepEqual([account.hasRoom, account.mayContinue(), slots.used], [false, false, 0]);
  });

  it('gives a slot to what runs already when one is free, and in any case once it is closed', () => {
    const slots = new Slots(1);
    const account = new SlotAccount(slots);
    const first = account.take();
    assert.equal(account.retake(), undefined);
    first?.give();
    assert.ok(account.retake() !== undefined);
    account.close();
    const beyond = account.retake();
    assert.deepEqual([slots.used, account.held], [2, 2]);
    beyond?.give();
    assert.deepEqual([slots.used, account.held], [1, 1]);
  });

  it('moves what runs to the slots it switches to, so that both budgets stay right', () => {
    const shared = new Slots(4);
    const own = new Slots(2);
    const account = new SlotAccount(shared);
    const taken = [account.take(), account.take(), account.take()];
    account.switchTo(own);
    assert.deepEqual([shared.used, own.used], [0, 3]);
    assert.equal(account.take(), undefined);
    account.switchTo(own);
    for (const slot of taken) slot?.give();
    assert.equal(own.used, 0);
  });

  it('is put right when it parted from what runs, either way', () => {
    const slots = new Slots(5);
    const account = new SlotAccount(slots);
    for (let i = 0; i < 3; i++) account.take();
    assert.equal(account.reconcile(1), 2);
    assert.deepEqual([account.held, slots.used], [1, 1]);
    assert.equal(account.reconcile(2), -1);
    assert.deepEqual([account.held, slots.used], [2, 2]);
  });

  it('never loses or invents a slot, whatever happens in whatever order', () => {
    const step = fc.oneof(
      fc.constant({ kind: 'start' as const }),
      fc.record({ kind: fc.constant('end' as const), which: fc.nat(20), chained: fc.boolean() }),
      fc.constant({ kind: 'switch' as const }),
      fc.record({ kind: fc.constant('resize' as const), size: fc.nat(6) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const all = [new Slots(3), new Slots(2)] as const;
        const account = new SlotAccount(all[0]);
        const running: Slot[] = [];
        let current = 0;
        for (const s of steps) {
          if (s.kind === 'start') {
            const slot = account.take();
            if (slot !== undefined) running.push(slot);
          } else if (s.kind === 'end' && running.length > 0) {
            const [slot] = running.splice(s.which % running.length, 1);
            if (slot !== undefined && s.chained && account.mayContinue()) {
              slot.passOn();
              running.push(slot);
            } else slot?.give();
          } else if (s.kind === 'switch') {
            current = 1 - current;
            account.switchTo(all[current] ?? all[0]);
          } else if (s.kind === 'resize') {
            account.slots.resize(s.size);
          }
          assert.equal(all[0].used + all[1].used, running.length);
          assert.equal(account.held, running.length);
        }
        for (const slot of running) slot.give();
        assert.equal(all[0].used + all[1].used, 0);
      }),
    );
  });
});
