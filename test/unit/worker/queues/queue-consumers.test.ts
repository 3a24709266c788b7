import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import type { Consumer } from '#src/queue/consumer.js';
import { Slots } from '#src/queue/slots.js';
import type { Limits } from '#src/worker/queues/limits.js';
import { QueueConsumers } from '#src/worker/queues/queue-consumers.js';

/** Lines over consumers that only note what is done to them. */
function setUp(fails: (queue: string, step: string) => boolean) {
  const away = (queue: string, step: string) => {
    if (fails(queue, step)) throw new Error(`${queue} cannot be ${step}`);
  };
  const made: { queue: string; running: boolean; closed: boolean }[] = [];
  const lines = new QueueConsumers({
    engine: {
      queues: { note: async ([name = '']: string[]) => away(name, 'registered') },
      records: { read: async () => [undefined] },
    } as unknown as Engine,
    queues: [
      { name: 'a', weight: 1 },
      { name: 'b', weight: 1 },
    ],
    budget: new Slots(4),
    limits: { laned: ['limited'], gate: () => ({}), add: async () => true } as unknown as Limits,
    consumer: ({ queue, slots }) => {
      const state = { queue, running: false, closed: false };
      made.push(state);
      const consumer = {
        queue,
        slots,
        deafMs: 0,
        ready: async () => {
          away(queue, 'listened to');
        },
        run: () => {
          assert.ok(!state.closed, `${queue} was closed`);
          state.running = true;
        },
        close: async () => {
          state.closed = true;
        },
        abandon: () => undefined,
        useSlots: () => undefined,
      };
      return consumer as unknown as Consumer;
    },
    onError: (error) => assert.fail(error),
  });
  return { lines, made };
}

describe('The lines of a worker', () => {
  for (const failing of [
    'a registered',
    'b registered',
    'a listened to',
    'b~limited registered',
    'b~limited listened to',
  ])
    it(`leave no consumer behind when ${failing} cannot be, and open again`, async () => {
      let away = true;
      const { lines, made } = setUp((queue, step) => away && `${queue} ${step}` === failing);
      await assert.rejects(lines.open(), /cannot be/);
      await lines.close();
      assert.ok(made.length >= 2);
      assert.deepEqual(
        made.filter(({ closed, running }) => !closed || running),
        [],
      );
      away = false;
      const before = made.length;
      await lines.open();
      lines.run();
      const again = made.slice(before);
      assert.equal(again.length, 4);
      assert.ok(again.every(({ closed, running }) => running && !closed));
    });

  it('fetch nothing before they are told to run', async () => {
    const { lines, made } = setUp(() => false);
    await lines.open();
    assert.ok(made.every(({ running }) => !running));
    await lines.add('c', undefined);
    assert.ok(made.every(({ running }) => !running));
    lines.run();
    assert.ok(made.every(({ running }) => running));
    await lines.add('d', 2);
    await lines.openLanes('other');
    assert.equal(made.length, 4 + 2 + 2 + 4);
    assert.ok(made.every(({ running }) => running));
    await lines.close();
    assert.ok(made.every(({ closed }) => closed));
  });
});
