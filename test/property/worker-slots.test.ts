/**
 * The slots of a worker under everything that may happen to it: random fetches, ends, refusals, lost answers, stalled
 * jobs, resizes, slots that are lent while a task waits, batches that collect, fill, come to their time and lose members,
 * consumers that come, go and change their slots. After each step whatever was taken is held by a run or a fetch, and each
 * batch that runs has one slot; at the end all is given back, and until then as many jobs run as there are slots.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Settlement } from '#src/queue/settlement.js';
import { Share, Slots } from '#src/queue/slots.js';
import { type Answer, ModelConsumer, ModelQueue, type Pending } from '../support/loop-model.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Until nobody has anything left to do without an answer: a run's end takes a few turns. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await turn();
}

const ENDS: readonly Settlement[] = [
  { kind: 'complete', value: 1, keep: true, quiet: false },
  { kind: 'fail', message: 'x', stack: 'x', keep: true },
  { kind: 'retry', delayMs: 5, message: 'x', stack: 'x' },
  { kind: 'retry', delayMs: 0, message: 'x', stack: 'x' },
  { kind: 'postpone', delayMs: 5 },
  { kind: 'release' },
  { kind: 'move', lane: 'q~task' },
  { kind: 'abandon' },
];

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('add' as const), batched: fc.boolean() }) },
  {
    weight: 24,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      which: fc.nat(30),
      how: fc.constantFrom<Answer>('yes', 'yes', 'yes', 'yes', 'refused', 'lost'),
      end: fc.nat(ENDS.length - 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('stall' as const), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('promote' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resize' as const), size: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('switch' as const), which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lend' as const), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('regain' as const), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('due' as const), which: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('withdraw' as const), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('come' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('go' as const), which: fc.nat(3) }) },
);

describe('The slots of a worker', () => {
  it('are held by what runs at every step, and all come back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 160 }), async (steps) => {
        const world = new World();
        for (const one of steps) {
          world.take(one);
          await settle();
          world.check();
        }
        await world.endWell();
      }),
      { numRuns: 150 },
    );
  });
});

type Step = (typeof step extends fc.Arbitrary<infer S> ? S : never) & object;

class World {
  readonly queue = new ModelQueue();
  readonly shared = new Slots(3);
  readonly own = new Slots(2);
  readonly all: ModelConsumer[] = [new ModelConsumer(this.queue, this.shared)];
  #jobs = 0;

  get living(): readonly ModelConsumer[] {
    return this.all.filter(({ ending }) => !ending);
  }

  take(one: Step): void {
    const { queue, living } = this;
    switch (one.do) {
      case 'add':
        queue.add(`${one.batched ? 'b' : 'j'}${this.#jobs++}`);
        return;
      case 'answer': {
        const pending = queue.pending[one.which % Math.max(1, queue.pending.length)];
        if (pending === undefined) return;
        if (pending.what === 'body' || pending.what === 'batch')
          pending.of.settlement = ENDS[one.end] ?? { kind: 'abandon' };
        // A body that throws is the executor's affair; pauses only end.
        pending.answer(pending.what === 'pause' ? 'yes' : one.how);
        return;
      }
      case 'stall': {
        const ids = [...queue.active.keys()];
        const id = ids[one.which % Math.max(1, ids.length)];
        if (id !== undefined) queue.stall(id);
        return;
      }
      case 'promote':
        queue.promote();
        return;
      case 'resize':
        this.shared.resize(one.size);
        return;
      case 'switch': {
        const consumer = living[one.which % Math.max(1, living.length)];
        consumer?.account.switchTo(consumer.account.slots === this.shared ? this.own : this.shared);
        return;
      }
      case 'lend':
        this.#body(one.which)?.run?.lendSlot();
        return;
      case 'regain':
        void this.#body(one.which)?.run?.regainSlot();
        return;
      case 'due':
        this.all[one.which % this.all.length]?.collector.flush();
        return;
      case 'withdraw': {
        const consumer = this.all[one.which % this.all.length];
        let position = one.which;
        consumer?.collector.withdraw(() => position-- === 0, { kind: 'revoked', reason: 'x' });
        return;
      }
      case 'end': {
        const members = this.all.flatMap((consumer) => [...consumer.members.values()]);
        members[one.which % Math.max(1, members.length)]?.end();
        return;
      }
      case 'come':
        if (living.length < 3) this.all.push(new ModelConsumer(queue, this.shared, new Share()));
        return;
      case 'go':
        living[one.which % Math.max(1, living.length)]?.stop();
        return;
    }
  }

  check(): void {
    for (const consumer of this.all) {
      assert.equal(consumer.account.held, consumer.loop.slotsInUse, 'taken is what runs or is fetched');
      assert.equal(consumer.locks, consumer.loop.runs.length, 'a lock is renewed for each run');
      for (const [place, run] of consumer.loop.runs.entries()) assert.equal(run.place, place);
      for (const runs of consumer.batches) {
        const going = runs.filter((run) => consumer.members.has(run));
        const holders = going.filter(({ hasSlot }) => hasSlot);
        assert.equal(holders.length, Math.min(1, going.length), 'a batch has one slot');
      }
    }
    for (const slots of [this.shared, this.own]) {
      const users = this.all.filter(({ account }) => account.slots === slots);
      assert.equal(
        slots.used,
        users.reduce((sum, { loop }) => sum + loop.slotsInUse, 0),
      );
    }
  }

  /** From here on the broker is well: everything ends, and as many run at once as there are slots. */
  async endWell(): Promise<void> {
    const { queue } = this;
    this.shared.resize(4);
    if (this.living.length === 0) this.all.push(new ModelConsumer(queue, this.shared));
    for (const { account } of this.living) account.switchTo(this.shared);
    await this.#pump(() => queue.wait.length + queue.active.size + queue.delayed.length === 0);
    const known = queue.ended.length;
    for (let i = 0; i < 4; i++) queue.add(`last${i}`);
    await this.#pump(() => this.#bodies() === 4, false);
    assert.equal(this.#bodies(), 4, 'as many run as there are slots');
    await this.#pump(() => queue.ended.length >= known + 4);
    for (const consumer of this.living) consumer.stop();
    await this.#pump(() => queue.pending.length === 0);
    await Promise.all(this.all.map(({ ended }) => ended));
    this.check();
    assert.deepEqual([this.shared.used, this.own.used], [0, 0]);
    assert.equal(new Set(queue.ended).size, queue.ended.length, 'nothing ended twice');
    assert.equal(queue.ended.length, this.#jobs + 4, 'nothing was lost');
    const ours = this.all.flatMap(({ errors }) => errors).filter(({ message }) => /slots/.test(message));
    assert.deepEqual(ours, []);
  }

  #body(which: number): Pending | undefined {
    const bodies = this.queue.pending.filter(({ what }) => what === 'body');
    return bodies[which % Math.max(1, bodies.length)];
  }

  #bodies(): number {
    return this.queue.pending.filter(({ what }) => what === 'body').length;
  }

  async #pump(done: () => boolean, bodies = true): Promise<void> {
    const { queue } = this;
    for (let i = 0; i < 3000 && !done(); i++) {
      queue.stallOrphans(this.all);
      queue.promote();
      queue.deliverMarkers();
      for (const { collector } of this.all) collector.flush();
      for (const pending of [...queue.pending]) {
        if (pending.what === 'body') {
          if (!bodies) continue;
        }
        if (pending.what === 'body' || pending.what === 'batch')
          pending.of.settlement = { kind: 'complete', value: 1, keep: true, quiet: false };
        // A wait that times out looks again: slowly here, so that markers have to work.
        if (pending.what === 'wait' && i % 50 !== 49) continue;
        if (queue.pending.includes(pending)) pending.answer('yes');
      }
      await turn();
    }
    assert(done(), 'came to its end');
  }
}
