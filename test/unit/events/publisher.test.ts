import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { BROADCAST_BYTES, type Engine } from '#src/broker/broker.js';
import type { AppEvent } from '#src/events/names.js';
import { Publisher } from '#src/events/publisher.js';

interface Packet {
  readonly from: string;
  readonly at: number;
  readonly events: readonly { readonly id: string }[];
}

const event = (id: string) => ({ type: 'task-sent', id }) as AppEvent;

/** A publisher whose timers are the test's, and a broker that takes texts when it is told to. */
function publisher(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const texts: string[] = [];
  const held = { now: 0, ever: 0 };
  let broker: () => Promise<void> = async () => undefined;
  const engine = {
    hold: () => {
      held.now++;
      held.ever++;
      return () => held.now--;
    },
    broadcast: {
      publish: (sent: readonly string[]) => {
        texts.push(...sent);
        return broker();
      },
    },
  } as unknown as Engine;
  return {
    publisher: new Publisher(engine),
    texts,
    held,
    packets: () => texts.map((text) => JSON.parse(text) as Packet),
    answers: (how: () => Promise<void>) => {
      broker = how;
    },
    gather: () => t.mock.timers.tick(20),
  };
}

const ids = (packets: readonly Packet[]) => packets.map(({ events }) => events.map(({ id }) => id));

describe('Events on their way to the fleet', () => {
  it('leave together, numbered on, and hold the process until they have left', async (t) => {
    const { publisher: one, packets, gather, held } = publisher(t);
    one.publish(event('a'));
    one.publish(event('b'));
    assert.deepEqual([packets().length, held.now], [0, 1]);
    gather();
    await one.flush();
    one.publish(event('c'));
    await one.flush();
    assert.deepEqual(ids(packets()), [['a', 'b'], ['c']]);
    assert.deepEqual(
      packets().map(({ from, at }) => [from, at]),
      [
        [one.id, 0],
        [one.id, 2],
      ],
    );
    assert.deepEqual(held, { now: 0, ever: 2 });
  });

  it('wait for those before them: one batch is on its way at a time', async (t) => {
    const { publisher: one, packets, gather, answers } = publisher(t);
    let arrive: () => void = () => undefined;
    answers(() => new Promise((resolve) => (arrive = resolve)));
    one.publish(event('a'));
    const first = one.flush();
    one.publish(event('b'));
    gather();
    const second = one.flush();
    assert.deepEqual(ids(packets()), [['a']]);
    answers(async () => undefined);
    arrive();
    await Promise.all([first, second]);
    gather();
    await one.flush();
    assert.deepEqual(ids(packets()), [['a'], ['b']]);
  });

  it('are lost when the broker is away, and the numbers say so', async (t) => {
    const { publisher: one, packets, answers } = publisher(t);
    answers(() => Promise.reject(new Error('gone')));
    one.publish(event('lost'));
    await one.flush();
    answers(async () => undefined);
    one.publish(event('next'));
    await one.flush();
    assert.deepEqual(packets().at(-1)?.at, 1);
  });

  it('are kept up to a bound, and counted beyond it', async (t) => {
    const { publisher: one, packets } = publisher(t);
    for (let n = 0; n < 2_003; n++) one.publish(event(`${n}`));
    await one.flush();
    assert.equal(
      packets().reduce((sum, { events }) => sum + events.length, 0),
      2_000,
    );
    one.publish(event('next'));
    await one.flush();
    assert.equal(packets().at(-1)?.at, 2_003);
  });

  it('fill texts of a bounded size; one that fits none is left out, and leaves a gap', async (t) => {
    const { publisher: one, packets, texts } = publisher(t);
    const large = 'é'.repeat(BROADCAST_BYTES / 5);
    for (const id of ['a', `b${large}`, `c${large}`, `d${large}${large}${large}`, 'e'])
      one.publish(event(id));
    await one.flush();
    assert.ok(texts.every((text) => Buffer.byteLength(text) <= BROADCAST_BYTES));
    const seen = packets().flatMap(({ at, events }) => events.map(({ id }, n) => [id[0], at + n]));
    assert.deepEqual(seen, [
      ['a', 0],
      ['b', 1],
      ['c', 2],
      ['e', 4],
    ]);
  });
});
