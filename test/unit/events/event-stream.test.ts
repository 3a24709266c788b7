/** What others send to `app.events()`: ours is read, anything else passes without harm. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventStream } from '#src/events/event-stream.js';
import { readPacket } from '#src/events/packet.js';

const sent = { type: 'task-sent', timestamp: 1, id: 'a', name: 'add', queue: 'celeriac', rootId: 'a' };

/** Texts that any role of the database, or any client of the Redis, can put on the channel. */
const FOREIGN = [
  '',
  '{',
  'null',
  '7',
  '"text"',
  '[]',
  '{}',
  '{"from":"x"}',
  '{"from":"x","at":0}',
  '{"from":"x","at":0,"events":7}',
  '{"from":"x","at":0,"events":[null]}',
  '{"from":"x","at":0,"events":[{}]}',
  '{"from":"x","at":0,"events":[{"type":"task-received","timestamp":1}]}',
  '{"from":"x","at":0,"events":[{"type":"worker-online","timestamp":1}]}',
  `{"from":"x","at":0,"events":[{"type":"worker-heartbeat","timestamp":1,"node":"n","freq":${'{"valueOf":0,"toString":0}'}}]}`,
  `{"from":"x","at":0,"events":[{"type":"task-sent","timestamp":1,"id":"a","name":"b","eta":${'{"valueOf":0}'}}]}`,
  '{"from":"x","at":1e300,"events":[]}',
  '{"from":"x","at":-1,"events":[]}',
  '{"from":{},"at":0,"events":[]}',
];

describe('texts on the channel of events', () => {
  it('are read where a publisher of ours wrote them', () => {
    const packet = { from: 'x', at: 3, events: [sent] };
    assert.deepEqual(
      readPacket(JSON.stringify(packet), () => (sealed) => sealed),
      packet,
    );
  });

  it('are passed over where somebody else wrote them, and the stream goes on', async () => {
    let receive: (text: string) => void = () => assert.fail('nobody subscribed');
    const engine = {
      hold: () => () => undefined,
      broadcast: {
        subscribe: async (listener: (text: string) => void) => {
          receive = listener;
        },
        unsubscribe: () => undefined,
      },
      records: { create: async () => true },
      signals: { notify: () => undefined },
    };
    const clock = { now: () => 0, sync: async () => undefined };
    const stream = new EventStream({
      engine: engine as never,
      clock: clock as never,
      ownId: 'own',
      signal: undefined,
      onEnd: () => undefined,
      holds: true,
      opener: () => (sealed) => sealed,
    });
    await stream.started;
    for (const text of FOREIGN) receive(text);
    receive(JSON.stringify({ from: 'x', at: 0, events: [sent] }));
    assert.deepEqual(await stream.next(), { done: false, value: sent });
    stream.end();
  });
});
