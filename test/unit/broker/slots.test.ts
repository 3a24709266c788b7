import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Claimant, Share, SlotLedger, Slots } from '#src/broker/slots.js';

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
    const ledgers = weights.map((weight) => new SlotLedger(slots, new Share(weight)));
    const counts = weights.map(() => 0);
    const running: { readonly ledger: SlotLedger; readonly id: string }[] = [];
    const start = (which: number, id: string) => {
      const ledger = ledgers[which];
      assert(ledger !== undefined);
      counts[which] = (counts[which] ?? 0) + 1;
      running.push({ ledger, id });
      return ledger;
    };
    let total = 0;
    const fetching = ledgers.map(async (ledger, which) => {
      while (total < starts) {
        if (slots.tryTake(ledger.share)) start(which, `${total++}`).assign(`${total - 1}`, slots);
        else await slots.whenFree(60_000, ledger);
      }
    });
    while (total < starts) {
      await soon();
      const ended = running.shift();
      if (ended === undefined) continue;
      const followed = slots.mayContinue(ended.ledger);
      ended.ledger.leave(ended.id, followed);
      if (!followed) continue;
      total++;
      start(ledgers.indexOf(ended.ledger), ended.id);
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

describe('A slot ledger', () => {
  it('hands a finished job’s slot to the next, or gives it back', () => {
    const slots = new Slots(1);
    const ledger = new SlotLedger(slots);
    slots.tryTake(new Share());
    ledger.assign('1', slots);
    ledger.leave('1', true);
    assert.equal(slots.used, 1);
    ledger.leave('1');
    ledger.leave('1');
    ledger.leave('never-there');
    assert.equal(slots.used, 0);
  });

  it('moves what runs to the slots it switches to, so that both budgets stay right', () => {
    const shared = new Slots(4);
    const own = new Slots(2);
    const ledger = new SlotLedger(shared);
    for (const id of ['1', '2', '3']) {
      shared.tryTake(new Share());
      ledger.assign(id, shared);
    }
    ledger.switchTo(own);
    assert.equal(shared.used, 0);
    assert.equal(own.used, 3);
    assert.equal(own.tryTake(new Share()), false);
    for (const id of ['1', '2', '3']) ledger.leave(id);
    assert.equal(own.used, 0);
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
        const ledger = new SlotLedger(all[0]);
        const running: string[] = [];
        let next = 0;
        let current = 0;
        for (const s of steps) {
          if (s.kind === 'start' && ledger.slots.tryTake(new Share())) {
            running.push(`${next}`);
            ledger.assign(`${next++}`, ledger.slots);
          } else if (s.kind === 'end' && running.length > 0) {
            const [id = ''] = running.splice(s.which % running.length, 1);
            const chained = s.chained && ledger.slots.mayContinue(ledger);
            if (chained) running.push(id);
            ledger.leave(id, chained);
          } else if (s.kind === 'switch') {
            current = 1 - current;
            ledger.switchTo(all[current] ?? all[0]);
          } else if (s.kind === 'resize') {
            ledger.slots.resize(s.size);
          }
          assert.equal(all[0].used + all[1].used, running.length);
        }
        for (const id of running) ledger.leave(id);
        assert.deepEqual([all[0].used, all[1].used], [0, 0]);
      }),
    );
  });
});
