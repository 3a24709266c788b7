/** The events that tasks send themselves: which names and fields they may have, and how they are read. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, currentTask, Task, TaskService } from 'celeriac';
import { eventLine } from '#src/cli/live/event-text.js';
import { readPacket } from '#src/events/packet.js';
import { readOwnEvent } from '#src/tasks/own-events.js';

describe("An event of a task's own", () => {
  it('has a name of words with dashes, and fields of plain JSON', () => {
    const fields = { orderId: '7', lines: [1, { n: null }] };
    assert.deepEqual(readOwnEvent('order-packed', fields), { type: 'order-packed', fields });
    assert.deepEqual(readOwnEvent('Order.v2-packed-again'), { type: 'Order.v2-packed-again', fields: {} });
    for (const name of ['packed', '', 'order-', '-packed', 'order packed', 'x-'.repeat(60), 7, undefined])
      assert.throws(() => readOwnEvent(name), { code: 'OPTION', message: /is not the name of an event/ });
    for (const name of ['task-packed', 'worker-packed', 'control-packed', 'events-lost'])
      assert.throws(() => readOwnEvent(name), { code: 'OPTION', message: /are celeriac's/ });
    for (const given of [7, null, ['x'], 'text'])
      assert.throws(() => readOwnEvent('order-packed', given), {
        code: 'OPTION',
        message: /must be an object/,
      });
    for (const name of ['id', 'name', 'type', 'timestamp', 'node'])
      assert.throws(() => readOwnEvent('order-packed', { [name]: 1 }), {
        code: 'OPTION',
        message: /Rename yours/,
      });
    assert.throws(() => readOwnEvent('order-packed', { at: { by: new Map() } }), {
      code: 'NOT_SERIALIZABLE',
      message: /fields\.at\.by/,
    });
    assert.throws(() => readOwnEvent('order-packed', { text: 'ä'.repeat(3_100) }), {
      code: 'PAYLOAD_TOO_LARGE',
    });
  });

  it('does nothing in a direct call, and is heard in this process where the task runs here and now', async (t) => {
    class Shop extends TaskService {
      @Task('pack')
      async pack(orderId: string) {
        await this.sendEvent('order-packed', { orderId });
        return currentTask() === undefined ? 'directly' : 'as a task';
      }
    }
    const app = new Celeriac('own-events', { broker: 'redis://127.0.0.1:1/0', taskAlwaysEager: true });
    t.after(() => app.close());
    const heard: object[] = [];
    app.on('order-packed' as 'task-sent', (event) => void heard.push(event));
    const shop = new Shop();
    const { pack } = app.register(shop);
    assert.equal(await shop.pack('1'), 'directly');
    const result = await pack.delay('2');
    assert.equal(await result.get(), 'as a task');
    assert.equal(heard.length, 1);
    const [{ timestamp, pid, ...event }] = heard as [{ timestamp: number; pid: number }];
    assert.ok(timestamp > 0 && pid === process.pid);
    assert.deepEqual(event, {
      type: 'order-packed',
      id: result.id,
      name: 'pack',
      queue: 'celeriac',
      node: 'own-events',
      retries: 0,
      orderId: '2',
    });
    class Taken extends TaskService {
      override async sendEvent(): Promise<void> {}

      @Task('taken')
      async taken() {}
    }
    assert.throws(() => app.register(new Taken()), {
      code: 'OPTION',
      message: /a member "sendEvent" of its own/,
    });
    const wrong = app.task('wrong', async function () {
      await this.sendEvent('task-done');
    });
    await assert.rejects((await wrong.delay()).get(), /sendEvent: "task-done" is not the name of an event/);
  });

  it('is opened where it can be, and never hides what celeriac says', () => {
    const head = { type: 'order-packed', timestamp: 1, id: 'a', name: 'pack', node: 'n', pid: 1, retries: 0 };
    const read = (sealed: unknown) => {
      const text = JSON.stringify({ from: 'x', at: 0, events: [{ ...head, sealed }] });
      const open = (given: unknown) => {
        if (given === 'other') throw new Error('another serializer');
        return given;
      };
      return readPacket(text, () => open)?.events[0];
    };
    assert.deepEqual(read({ orderId: '7', id: 'forged', shadow: 7, queue: 7 }), { ...head, orderId: '7' });
    assert.deepEqual(read('other'), head);
    assert.deepEqual(read(7), head);
  });

  it('is one line for people', () => {
    const event = {
      type: 'order-packed',
      timestamp: 0,
      id: 'a',
      name: 'pack',
      queue: 'q',
      node: 'n',
      pid: 1,
      retries: 0,
      orderId: '7\u001b',
    };
    assert.match(eventLine(event as never), /order-packed {6}pack\[a\] orderId="7\\u001b"$/);
  });
});
