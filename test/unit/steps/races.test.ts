/** Which of several pending promises a task still waits for. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RaceEntry, Races } from '#src/steps/races.js';

interface Runner {
  readonly entry: RaceEntry;
  readonly promise: Promise<string>;
  resolve(value: string): void;
  reject(error: Error): void;
}

function runners(count: number): Runner[] {
  const races = new Races();
  return Array.from({ length: count }, () => {
    let resolve: Runner['resolve'] = () => undefined;
    let reject: Runner['reject'] = () => undefined;
    const promise = new Promise<string>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    promise.catch(() => undefined);
    const entry = races.enter();
    return { entry, promise: races.watch(promise, entry), resolve, reject };
  });
}

const decided = (all: readonly Runner[]) => all.map(({ entry }) => entry.decided);
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('Steps in a race', () => {
  it('are decided by the first that ends, also behind a handler of the task', async () => {
    const all = runners(3);
    const [a, b, c] = all as [Runner, Runner, Runner];
    const winner = Promise.race([a.promise.then((value) => `${value}!`), b.promise]);
    b.resolve('b');
    assert.equal(await winner, 'b');
    await turn();
    assert.deepEqual(decided(all), [true, false, false]);
    c.resolve('c');
    await turn();
    assert.deepEqual(decided(all), [true, false, false]);
  });

  it('are decided by a success in any, and by a failure in all', async () => {
    const some = runners(2);
    const [a, b] = some as [Runner, Runner];
    const any = Promise.any([a.promise, b.promise]);
    a.reject(new Error('a'));
    await turn();
    assert.deepEqual(decided(some), [false, false]);
    b.resolve('b');
    assert.equal(await any, 'b');
    assert.deepEqual(decided(some), [true, false]);
    const others = runners(2);
    const [c, d] = others as [Runner, Runner];
    const whole = Promise.all([c.promise, d.promise]);
    d.reject(new Error('d'));
    await assert.rejects(whole, /^Error: d$/);
    assert.deepEqual(decided(others), [true, false]);
  });

  it('are not decided by a success in all, nor by a handler that several share', async () => {
    const all = runners(3);
    const [a, b, c] = all as [Runner, Runner, Runner];
    void Promise.all([a.promise, b.promise]);
    const heard: string[] = [];
    const hear = (value: string) => void heard.push(value);
    void b.promise.then(hear);
    void c.promise.then(hear);
    a.resolve('a');
    c.resolve('c');
    await turn();
    assert.deepEqual(decided(all), [false, false, false]);
    assert.deepEqual(
      all.map(({ entry }) => entry.inAll),
      [true, true, false],
    );
    assert.deepEqual(heard, ['c']);
    b.resolve('b');
    assert.equal(await b.promise, 'b');
  });
});
