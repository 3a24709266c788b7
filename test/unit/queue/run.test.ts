import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Run } from '#src/queue/run.js';
import { SlotAccount, Slots } from '#src/queue/slots.js';

function setUp() {
  const slots = new Slots(1);
  const account = new SlotAccount(slots);
  const slot = account.take();
  assert(slot !== undefined);
  const job = {
    id: 'j',
    name: 'mail',
    data: { v: 1, args: [] },
    opts: {},
    attemptsMade: 0,
    attemptsStarted: 1,
  };
  const host = { signals: () => ({}) as never, onProgress: () => undefined };
  const lock = { release: () => undefined };
  const run = new Run(job as never, 'token', slot, account, lock, undefined, 'q', host);
  return { slots, account, run };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('A run whose task only waits', () => {
  it('lends its slot, and goes on when it has one again', async () => {
    const { slots, account, run } = setUp();
    run.delivery.lendSlot?.();
    assert.deepEqual([run.hasSlot, slots.used], [false, 0]);
    const other = account.take();
    let regained = false;
    const regaining = run.delivery.regainSlot?.().then(() => {
      regained = true;
    });
    await turn();
    assert.equal(regained, false);
    other?.give();
    await regaining;
    assert.deepEqual([run.hasSlot, slots.used, account.held], [true, 1, 1]);
    run.release();
    assert.deepEqual([slots.used, account.held], [0, 0]);
  });

  it('takes no slot any more once it is released', async () => {
    const { slots, account, run } = setUp();
    run.lendSlot();
    const other = account.take();
    const regaining = run.regainSlot();
    run.release();
    other?.give();
    await regaining;
    assert.deepEqual([slots.used, account.held], [0, 0]);
  });

  it('hands the wake-up on that comes once it is released', async () => {
    const { slots, account, run } = setUp();
    run.lendSlot();
    const other = account.take();
    const regaining = run.regainSlot();
    const waiting = new AbortController();
    const next = account.whenFree(60_000).then(() => waiting.abort());
    run.release();
    other?.give();
    await regaining;
    await turn();
    assert.equal(waiting.signal.aborted, true, 'who waits behind it need not wait for the next end');
    await next;
    assert.equal(slots.used, 0);
  });
});
