/** One timer for all that is under way: nobody waits longer for another's sake. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Deadlines } from '#src/queue/deadlines.js';

const SILENCE = new Promise<never>(() => undefined);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Deadlines keeps no process alive; what it waits for does, and here that is nothing. */
function keepAlive(t: TestContext): void {
  const timer = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(timer));
}

const LATE = () => new Error('nothing came');

/** Work that is answered when it is told to be. */
function asked(deadlines: Deadlines) {
  let answer: () => void = () => undefined;
  const work = new Promise<void>((resolve) => (answer = resolve));
  const outcome = deadlines.within(work, deadlines.begin(), LATE).then(
    () => 'answered',
    () => 'given up',
  );
  return { answer, outcome };
}

describe('Deadlines', () => {
  it('give up each work at its own deadline, one that began later but ends sooner among them', async (t) => {
    keepAlive(t);
    const deadlines = new Deadlines(40);
    const early = deadlines.begin();
    const long = deadlines.begin();
    long.at += 60_000;
    const waited = deadlines.within(SILENCE, long, LATE);
    await assert.rejects(deadlines.within(SILENCE, early, LATE), /nothing came/);
    await assert.rejects(deadlines.within(SILENCE, deadlines.begin(), LATE), /nothing came/);
    assert.equal(await Promise.race([waited, Promise.resolve('pending')]), 'pending');
  });

  it('give what comes in time, and what fails as it failed', async () => {
    const deadlines = new Deadlines(60_000);
    assert.equal(await deadlines.within(Promise.resolve(7), deadlines.begin(), LATE), 7);
    await assert.rejects(
      deadlines.within(Promise.reject(new Error('refused')), deadlines.begin(), LATE),
      /refused/,
    );
  });

  it('move on while the broker answers anything, however long a whole crowd takes', async (t) => {
    keepAlive(t);
    let answers = 0;
    const deadlines = new Deadlines(100, () => answers);
    const { answer, outcome } = asked(deadlines);
    for (let i = 0; i < 12; i++) {
      await pause(50);
      answers++;
    }
    answer();
    assert.equal(await outcome, 'answered');
  });

  it('end when the broker falls silent in the middle of a crowd', async (t) => {
    keepAlive(t);
    let answers = 0;
    const deadlines = new Deadlines(50, () => answers);
    const crowd = Array.from({ length: 6 }, () => asked(deadlines));
    for (const { answer } of crowd.slice(0, 3)) {
      await pause(30);
      answers++;
      answer();
    }
    const outcomes = await Promise.all(crowd.map(({ outcome }) => outcome));
    assert.deepEqual(outcomes, [...Array(3).fill('answered'), ...Array(3).fill('given up')]);
  });

  it('leave time to hear an answer after the event loop stood still', async (t) => {
    keepAlive(t);
    const deadlines = new Deadlines(50);
    const { answer, outcome } = asked(deadlines);
    const until = performance.now() + 300;
    while (performance.now() < until);
    for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve)); // reading takes a few turns
    answer();
    assert.equal(await outcome, 'answered');
  });

  it('come in the end for a process that always stands still', async (t) => {
    keepAlive(t);
    const { outcome } = asked(new Deadlines(20));
    let over = false;
    void outcome.then(() => (over = true));
    while (!over) {
      const until = performance.now() + 40;
      while (performance.now() < until);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(await outcome, 'given up');
  });

  it('are as late as they are told, though no timer can be', async () => {
    const monthMs = 40 * 24 * 3600 * 1000;
    const work = new Promise((resolve) => setTimeout(resolve, 50, 'done'));
    const overflows: string[] = [];
    const note = ({ name }: Error) => void overflows.push(name);
    process.on('warning', note);
    const deadlines = new Deadlines(monthMs);
    assert.equal(await deadlines.within(work, deadlines.begin(), LATE), 'done');
    process.off('warning', note);
    assert.deepEqual(overflows, []);
  });
});
