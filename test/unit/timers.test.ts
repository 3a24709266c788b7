import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { after, every, sleep } from '#src/timers.js';

const DAY_MS = 86_400_000;
/** What Node takes. */
const MOST_MS = 2 ** 31 - 1;

/** Time that passes when it is told to, with Node's own limit. */
function clock(t: TestContext): (ms: number) => void {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  return (ms) => t.mock.timers.tick(ms);
}

describe('A timer', () => {
  it('waits as long as it is told, though no timer of Node can', (t) => {
    const pass = clock(t);
    let calls = 0;
    after(60 * DAY_MS, () => calls++);
    pass(MOST_MS);
    pass(MOST_MS);
    pass(60 * DAY_MS - 2 * MOST_MS - 1);
    assert.equal(calls, 0);
    pass(1);
    assert.equal(calls, 1);
    pass(100 * DAY_MS);
    assert.equal(calls, 1);
  });

  it('is given to Node in pieces that Node can take', (t) => {
    const given: number[] = [];
    const original = globalThis.setTimeout;
    t.mock.method(globalThis, 'setTimeout', ((fn: () => void, ms: number) => {
      given.push(ms);
      return original(fn, 0);
    }) as typeof setTimeout);
    return new Promise<void>((resolve) => {
      after(60 * DAY_MS, () => {
        assert.equal(
          given.reduce((sum, ms) => sum + ms, 0),
          60 * DAY_MS,
        );
        assert.ok(given.every((ms) => ms < 2 ** 31));
        resolve();
      });
    });
  });

  it('can be cancelled at any time, in its later pieces too', (t) => {
    const pass = clock(t);
    const calls: string[] = [];
    after(10, () => calls.push('early'))();
    const cancel = after(60 * DAY_MS, () => calls.push('late'));
    pass(MOST_MS);
    pass(DAY_MS);
    cancel();
    pass(100 * DAY_MS);
    assert.deepEqual(calls, []);
    cancel();
  });

  it('without ref keeps no process alive', () => {
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const cancels = [
      after(60 * DAY_MS, () => undefined, { ref: false }),
      every(60 * DAY_MS, () => undefined, { ref: false }),
    ];
    const now = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    assert.equal(now, before);
    for (const cancel of cancels) cancel();
  });

  it('comes again and again until it is cancelled', (t) => {
    const pass = clock(t);
    let calls = 0;
    const cancel = every(10, () => calls++);
    pass(35);
    cancel();
    pass(100);
    assert.equal(calls, 3);
  });
});

describe('Sleeping', () => {
  it('ends with its time, or with its signal, and leaves nothing behind', async (t) => {
    const pass = clock(t);
    const controller = new AbortController();
    const off = t.mock.method(controller.signal, 'removeEventListener');
    const long = sleep(60 * DAY_MS, { signal: controller.signal });
    const short = sleep(10, { signal: controller.signal });
    pass(10);
    await short;
    assert.equal(off.mock.callCount(), 1);
    controller.abort();
    await long;
    await sleep(60 * DAY_MS, { signal: controller.signal });
    assert.equal(off.mock.callCount(), 2);
  });
});
