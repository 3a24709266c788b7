/** Which worker was lost, as one of the others says it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BusNode } from '#src/broker/bus.js';
import { COME_BACK_MS, reportLostNodes } from '#src/control/lost-nodes.js';

describe('A worker whose lease has ended', () => {
  it('is reported by who removed it, unless it comes back or is no worker', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let removed: (nodes: readonly Pick<BusNode, 'id' | 'name'>[]) => void = () => undefined;
    const lost: string[] = [];
    const bus = {
      onRemoved: (listener: typeof removed) => {
        removed = listener;
      },
      nodes: async () => [{ id: '2', name: 'worker back', since: 1 }],
    };
    const stop = reportLostNodes(bus, (node) => lost.push(node), assert.fail);
    const pass = async () => {
      t.mock.timers.tick(COME_BACK_MS);
      await new Promise((resolve) => setImmediate(resolve));
    };
    removed([
      { id: '1', name: 'worker dead' },
      { id: '2', name: 'worker back' },
      { id: '3', name: 'caller' },
    ]);
    assert.deepEqual(lost, []);
    await pass();
    assert.deepEqual(lost, ['dead']);
    removed([{ id: '4', name: 'worker late' }]);
    stop();
    await pass();
    assert.deepEqual(lost, ['dead']);
  });
});
