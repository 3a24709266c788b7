/** One timer for all that is under way: nobody waits longer for another's sake. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Deadlines } from '#src/queue/deadlines.js';

const SILENCE = new Promise<never>(() => undefined);

/** Deadlines keeps no process alive; what it waits for does, and here that is nothing. */
function keepAlive(t: TestContext): void {
  const timer = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(timer));
}

function within(deadlines: Deadlines, ms: number): Promise<never> {
  return deadlines.within(SILENCE, performance.now() + ms, () => new Error(`nothing after ${ms}`));
}

describe('Deadlines', () => {
  it('gives up each work at its own deadline, one that began later but ends sooner among them', async (t) => {
    keepAlive(t);
    const deadlines = new Deadlines();
    const given: number[] = [];
    const long = within(deadlines, 60_000);
    const sooner = [40, 20].map((ms) => within(deadlines, ms).catch(() => given.push(ms)));
    await Promise.all(sooner);
    assert.deepEqual(new Set(given), new Set([20, 40]));
    assert.equal(await Promise.race([long, Promise.resolve('pending')]), 'pending');
  });

  it('gives what comes in time, and what fails as it failed', async () => {
    const deadlines = new Deadlines();
    const deadline = performance.now() + 60_000;
    const refusal = () => new Error('too late');
    assert.equal(await deadlines.within(Promise.resolve(7), deadline, refusal), 7);
    await assert.rejects(
      deadlines.within(Promise.reject(new Error('refused')), deadline, refusal),
      /refused/,
    );
  });

  it('waits as long as it is told, though no timer can', async () => {
    const monthMs = 40 * 24 * 3600 * 1000;
    const work = new Promise((resolve) => setTimeout(resolve, 50, 'done'));
    const overflows: string[] = [];
    const note = ({ name }: Error) => void overflows.push(name);
    process.on('warning', note);
    assert.equal(
      await new Deadlines().within(work, performance.now() + monthMs, () => new Error('late')),
      'done',
    );
    process.off('warning', note);
    assert.deepEqual(overflows, []);
  });
});
