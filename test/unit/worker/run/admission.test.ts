import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Delivery } from '#src/queue/delivery.js';
import type { RegisteredTask } from '#src/tasks/registry.js';
import { refusal } from '#src/worker/run/admission.js';

const NOW = 1_000_000;
const TASK = { run: { acksLate: true } } as unknown as RegisteredTask;

function due(etaMs: number, change: Partial<Delivery> = {}): Delivery {
  return {
    stalls: 0,
    retries: 0,
    deliveries: 1,
    message: { v: 1, args: [], eta: NOW + etaMs },
    ...change,
  } as unknown as Delivery;
}

describe('A task that comes before its time', () => {
  const clock = { now: () => NOW, stopped: false };

  it('goes back where clocks explain it', () => {
    assert.deepEqual(refusal(due(1), TASK, clock), { kind: 'later', delayMs: 1 });
    assert.deepEqual(refusal(due(2_500), TASK, clock), { kind: 'later', delayMs: 2_500 });
    assert.deepEqual(refusal(due(30_000), TASK, clock, 30_000), { kind: 'later', delayMs: 30_000 });
  });

  it('runs where somebody promoted it', () => {
    assert.equal(refusal(due(60_000), TASK, clock), undefined);
  });

  it('goes back while a test holds the clock', () => {
    assert.equal(refusal(due(60_000), TASK, { ...clock, stopped: true })?.kind, 'later');
  });

  it('runs in its time, and when it is a retry', () => {
    assert.equal(refusal(due(0), TASK, clock), undefined);
    assert.equal(refusal(due(1, { retries: 1 }), TASK, clock), undefined);
  });
});
