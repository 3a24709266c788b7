import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { NoticeOutbox } from '#src/broker/redis/notice-outbox.js';
import { IdSource } from '#src/protocol/ids.js';

/** An outbox whose clocks are the test's; `listeners` hear what is published. */
function outbox(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 1_000;
  t.mock.method(performance, 'now', () => now);
  const sent: string[] = [];
  const broker = { listeners: 0, joined: 0 };
  const client = {
    publish: async (channel: string, mark: string) => {
      sent.push(`${channel} ${mark}`);
      return broker.listeners;
    },
    evalsha: async (_: string, count: number, ...rest: unknown[]) => {
      const args = rest.slice(count + 1);
      const heard: number[] = [];
      for (let at = 0; at < args.length; ) {
        const [channel, notices] = [String(args[at]), Number(args[at + 1])];
        const marks = Array.from({ length: notices }, (_, n) => {
          const [mark, place] = args.slice(at + 2 + n * 2) as [string, number];
          return place > 0 ? `${mark}=${rest[place - 1]}` : mark;
        });
        sent.push(`${channel} ${marks.join('|')}`);
        heard.push(broker.listeners);
        at += 2 + notices * 2;
      }
      return heard;
    },
  };
  const one = new NoticeOutbox({
    link: () => ({ client, joinWrites: () => broker.joined++ }) as never,
    command: 'publish',
    channelPrefix: 'p:',
    jobKey: ({ id }) => `job:${id}`,
  });
  return {
    outbox: one,
    sent,
    broker,
    settled: () => new Promise((resolve) => setImmediate(resolve)),
    /** Lets the clocks go on. */
    async passes(ms: number) {
      now += ms;
      t.mock.timers.tick(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
    /** From now on somebody is known to listen for these. */
    async isHeard(topic: string) {
      broker.listeners = 1;
      one.notify(topic, undefined);
      await this.passes(5);
      sent.length = 0;
    },
  };
}

describe('A notice on its way out', () => {
  it('waits a moment for company where nobody is known to listen, and all leave in one command', async (t) => {
    const { outbox: one, sent, passes, settled } = outbox(t);
    one.notify('a', undefined);
    one.notify('b', { queue: 'q', id: 'b' });
    await settled();
    assert.deepEqual(sent, []);
    await passes(5);
    assert.deepEqual(sent, ['p:a ', 'p:b ']);
  });

  it('waits no longer when many have come together, or when it is told to', async (t) => {
    const { outbox: one, sent, settled } = outbox(t);
    for (let n = 0; n < 200; n++) one.notify(`topic ${n}`, undefined);
    await settled();
    assert.equal(sent.length, 200);
    one.notify('last', undefined);
    one.flush();
    assert.equal(sent.length, 201);
  });

  it('leaves with the write it tells of once somebody is known to listen, and tells the value', async (t) => {
    const all = outbox(t);
    const ids = new IdSource();
    const [first, second] = [ids.next('q'), ids.next('q')];
    await all.isHeard(first);
    all.outbox.notify(second, { queue: 'q', id: second });
    assert.equal(all.broker.joined, 1);
    await all.settled();
    assert.match(all.sent.join(), new RegExp(`=job:${second}$`));
  });

  it("of an id of a caller's own tells no value: the id may be used again", async (t) => {
    const all = outbox(t);
    await all.isHeard('mine');
    all.outbox.notify('mine', { queue: 'q', id: 'mine' });
    await all.settled();
    assert.deepEqual(all.sent, ['p:mine ']);
  });

  it('is one of those that wait again once nobody heard the last', async (t) => {
    const all = outbox(t);
    await all.isHeard('mine');
    all.broker.listeners = 0;
    all.outbox.notify('mine', undefined);
    await all.settled();
    all.sent.length = 0;
    all.outbox.notify('mine', undefined);
    await all.settled();
    assert.deepEqual(all.sent, []);
  });

  it('that cannot be sent harms nobody', async (t) => {
    const { outbox: one, broker, passes } = outbox(t);
    Object.defineProperty(broker, 'listeners', {
      get: () => {
        throw new Error('gone');
      },
    });
    one.notify('a', undefined);
    await passes(5);
  });
});

describe('A hint', () => {
  it('goes out now and then while nobody is known to listen, and always once somebody is', async (t) => {
    const all = outbox(t);
    for (let n = 0; n < 10; n++) all.outbox.hint('a');
    await all.passes(5);
    assert.equal(all.sent.length, 1);
    await all.passes(190);
    all.outbox.hint('a');
    await all.passes(5);
    assert.equal(all.sent.length, 1, 'not yet');
    all.broker.listeners = 1;
    all.outbox.hint('a');
    await all.passes(5);
    assert.equal(all.sent.length, 2, 'and this one finds a listener');
    for (let n = 0; n < 10; n++) all.outbox.hint('a');
    await all.settled();
    assert.equal(all.sent.at(-1), `p:a ${'|'.repeat(9)}`);
  });
});
