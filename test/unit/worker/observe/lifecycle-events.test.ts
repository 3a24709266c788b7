/** A worker's life as its own process is told of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac } from 'celeriac';
import { partsOf } from '#src/app.js';
import type { LifecycleEvent } from '#src/events/names.js';
import { LIFECYCLE_NAMES } from '#src/events/names.js';
import { LISTENERS_MS, LifecycleEvents } from '#src/worker/observe/lifecycle-events.js';

function lifeOf(tell: (event: LifecycleEvent) => Promise<void>) {
  const warnings: object[] = [];
  const life = new LifecycleEvents({
    events: { tell },
    clock: { now: () => 1000 },
    logger: { warn: (fields) => void warnings.push(fields) },
    place: 'worker',
    node: () => 'node@here',
  });
  return { life, warnings };
}

describe('The life of a worker', () => {
  it('is told once for each start, one event after the other', async () => {
    const order: string[] = [];
    const { life } = lifeOf(async ({ type }) => {
      order.push(`${type} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${type} ends`);
    });
    await life.stopped();
    assert.deepEqual(order, [], 'nothing has begun');
    const told = [life.init(), life.shuttingDown(), life.stopped()];
    await Promise.all([...told, life.stopped()]);
    const once = (type: string) => [`${type} begins`, `${type} ends`];
    const failed = [...once('worker-init'), ...once('worker-shutting-down'), ...once('worker-stopped')];
    assert.deepEqual(order.splice(0), failed);
    await Promise.all([life.init(), life.ready(), life.shuttingDown(), life.stopped()]);
    assert.deepEqual(order, LIFECYCLE_NAMES.flatMap(once));
  });

  it('goes on without a listener that does not end, and says so', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { life, warnings } = lifeOf(() => new Promise(() => undefined));
    const init = life.init();
    await Promise.resolve();
    t.mock.timers.tick(LISTENERS_MS);
    await init;
    assert.deepEqual(warnings, [{ event: 'worker-init', afterMs: LISTENERS_MS }]);
  });

  it('is heard by app.on, and makes nobody publish what happens to tasks', async (t) => {
    const app = new Celeriac('life', {
      broker: 'memory://',
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    t.after(() => app.close());
    const { events } = partsOf(app);
    const heard: LifecycleEvent[] = [];
    app.on('worker-init', async (event) => void heard.push(event));
    app.on('worker-init', () => {
      throw new Error('a bad listener');
    });
    const event = { type: 'worker-init', timestamp: 1, node: 'n', pid: 1, place: 'worker' } as const;
    await events.tell(event);
    assert.deepEqual(heard, [event]);
    assert.equal(events.active, false);
    assert.equal(events.hasListeners(['worker-init', 'worker-ready']), true);
    assert.equal(events.hasListeners(['worker-ready']), false);
    app.on('task-sent', () => undefined);
    assert.equal(events.active, true);
  });
});
