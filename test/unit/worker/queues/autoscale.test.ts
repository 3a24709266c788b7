import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Slots } from '#src/queue/slots.js';
import { Autoscale } from '#src/worker/queues/autoscale.js';

const nothing = () => undefined;
const QUIET = { debug: nothing, info: nothing, warn: nothing, error: nothing };

describe('The range of a pool', () => {
  it('holds again when a worker starts once more after a start that failed', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const slots = new Slots(2);
    const autoscale = new Autoscale(slots, { max: 4, min: 2 }, QUIET);
    autoscale.start();
    autoscale.stop();
    autoscale.start();
    assert.deepEqual(autoscale.range, { max: 4, min: 2 });
    slots.resize(4);
    t.mock.timers.tick(5_000);
    assert.equal(slots.limit, 2, 'it shrinks to what was used');
    autoscale.stop();
    slots.resize(4);
    t.mock.timers.tick(10_000);
    assert.equal(slots.limit, 4, 'and stays as it is once stopped');
  });
});
