import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Joined } from '#src/broker/redis/joined.js';

describe('Requests of one tick', () => {
  function joined(most = 10) {
    const sent: [string, readonly string[]][] = [];
    const requests = new Joined<string, string>(
      ({ length }) => length,
      most,
      async (key, items) => {
        sent.push([key, items]);
        if (key === 'broken') throw new Error('no');
        return items.map((item) => `${key}: ${item}`);
      },
    );
    return { sent, ask: (key: string, item: string) => requests.ask(key, item) };
  }

  it('go together by their key, each with its own reply', async () => {
    const { sent, ask } = joined();
    const asked = Promise.all([ask('a', '1'), ask('b', '2'), Promise.resolve().then(() => ask('a', '3'))]);
    assert.deepEqual(sent, []);
    assert.deepEqual(await asked, ['a: 1', 'b: 2', 'a: 3']);
    assert.deepEqual(sent, [
      ['a', ['1', '3']],
      ['b', ['2']],
    ]);
    await ask('a', '4');
    assert.deepEqual(sent.at(-1), ['a', ['4']]);
  });

  it('weigh only so much together, and a heavy one goes alone', async () => {
    const { sent, ask } = joined(4);
    await Promise.all(['12', '34', '5', '123456', '6'].map((item) => ask('a', item)));
    assert.deepEqual(
      sent.map(([, items]) => items),
      [['12', '34'], ['5'], ['123456'], ['6']],
    );
  });

  it('fail together, and leave the others of the tick', async () => {
    const { ask } = joined();
    const ends = await Promise.allSettled([ask('broken', '1'), ask('broken', '2'), ask('a', '1')]);
    assert.deepEqual(
      ends.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled'],
    );
  });
});
