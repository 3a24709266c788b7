/** `app.close()` releases all it can, and can be tried again. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Celeriac } from 'celeriac';
import { partsOf } from '#src/app.js';

/** An app whose parts only count how often they are closed; nothing of it connects. */
function setUp(t: TestContext) {
  const app = new Celeriac('closing', { broker: 'redis://127.0.0.1:1' });
  const parts = partsOf(app);
  const closed = { engine: 0, caller: 0, events: 0 };
  for (const name of ['engine', 'caller', 'events'] as const)
    t.mock.method(parts[name], 'close', async () => {
      closed[name]++;
    });
  return { app, closed };
}

describe('Closing an app', () => {
  it('closes everything else though a worker does not stop, and can be tried again', async (t) => {
    const { app, closed } = setUp(t);
    const worker = app.worker();
    let stuck = true;
    const stop = worker.stop.bind(worker);
    t.mock.method(worker, 'stop', async () => {
      if (stuck) throw new Error('stuck');
      await stop();
    });
    await assert.rejects(app.close(), { message: 'stuck' });
    assert.deepEqual(closed, { engine: 1, caller: 1, events: 1 });
    assert.throws(() => app.worker(), { code: 'APP_CLOSED' });
    stuck = false;
    await app.close();
    assert.deepEqual(closed, { engine: 2, caller: 2, events: 2 });
    await app.close();
    assert.equal(closed.engine, 2, 'closed once is closed');
  });

  it('stops every worker, whatever becomes of the others', async (t) => {
    const { app } = setUp(t);
    const stops: number[] = [];
    for (const n of [1, 2, 3])
      t.mock.method(app.worker(), 'stop', async () => {
        stops.push(n);
        if (n === 1) throw new Error('stuck');
        await new Promise((resolve) => setImmediate(resolve));
        stops.push(n * 10);
      });
    await assert.rejects(app.close(), { message: 'stuck' });
    assert.deepEqual(stops, [1, 2, 3, 20, 30]);
  });

  it('closes the engine though the way to it fails', async (t) => {
    const { app, closed } = setUp(t);
    t.mock.method(partsOf(app).caller, 'close', () => Promise.reject(new Error('no goodbye')));
    await assert.rejects(app.close(), { message: 'no goodbye' });
    assert.deepEqual(closed, { engine: 1, caller: 0, events: 1 });
  });
});
