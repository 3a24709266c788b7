import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RateDecision } from '#src/coordination/rate-limits.js';
import { LaneGate } from '#src/queue/lane-gate.js';

function setUp(permits: readonly (RateDecision | Error)[], room = true, wakingNext = false) {
  const asked: string[] = [];
  const left = [...permits];
  const gate = new LaneGate({
    task: 'mail',
    limit: 2,
    rates: {
      take: async () => {
        asked.push('rate');
        const permit = left.shift();
        if (permit === undefined || permit instanceof Error) throw permit ?? new Error('asked too often');
        return permit;
      },
    },
    wakingNext: async () => {
      asked.push('waking');
      return wakingNext;
    },
    semaphores: {
      mayEnter: async () => {
        asked.push('place');
        return room;
      },
    },
  });
  return { gate, asked };
}

const turn = { used: () => undefined, unused: () => undefined };

describe('A gate', () => {
  it('lets in with the turn that was taken, which is the caller’s', async () => {
    const { gate } = setUp([{ granted: true, turn }]);
    assert.deepEqual(await gate.enter(), { granted: true, turn });
    assert.equal(gate.closedForMs, 0);
  });

  it('is shut for as long as it was told, a second at most, until it is woken', async () => {
    const { gate } = setUp([{ granted: false, waitMs: 3_600_000 }]);
    assert.deepEqual(await gate.enter(), { granted: false });
    assert(gate.closedForMs > 900 && gate.closedForMs <= 1000, `${gate.closedForMs}`);
    const open = gate.untilOpen();
    gate.wake();
    await open;
    assert.equal(gate.closedForMs, 0);
  });

  it('lets in a task that goes on, without a turn', async () => {
    const { gate, asked } = setUp(
      [
        { granted: false, waitMs: 3_600_000 },
        { granted: true, turn },
      ],
      true,
      true,
    );
    assert.deepEqual(await gate.enter(), { granted: true, turn: undefined });
    assert.equal(gate.closedForMs, 0);
    assert.deepEqual(await gate.enter(), { granted: true, turn });
    assert.deepEqual(asked, ['place', 'rate', 'waking', 'place', 'rate']);
  });

  it('takes no turn while there is no place', async () => {
    const { gate, asked } = setUp([], false);
    assert.deepEqual(await gate.enter(), { granted: false });
    assert.deepEqual(asked, ['place']);
  });

  it('hands on that the broker is away, and may be asked again', async () => {
    const { gate } = setUp([new Error('Connection is closed.'), { granted: true, turn }]);
    await assert.rejects(gate.enter(), /closed/);
    assert.equal((await gate.enter()).granted, true);
  });

  it('lets nobody in once it is closed, and keeps nobody waiting', async () => {
    const { gate, asked } = setUp([{ granted: false, waitMs: 60_000 }]);
    await gate.enter();
    const open = gate.untilOpen();
    gate.close();
    await open;
    assert.deepEqual(await gate.enter(), { granted: false });
    assert.equal(gate.closedForMs, 0);
    assert.deepEqual(asked, ['place', 'rate', 'waking']);
  });
});
