import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Message,
  messageFrom,
  packStack,
  readMessage,
  replacedBy,
  replacementIn,
  unpackStack,
} from '#src/protocol/message.js';

describe('A task message', () => {
  it('takes from a stranger only what is of the right kind about a workflow', () => {
    const read = (text: string) => readMessage(text).flow;
    assert.deepEqual(read('{"v":1,"args":[],"flow":{"group":{},"index":"0","more":1}}'), {});
    assert.deepEqual(read('{"v":1,"args":[],"flow":{"group":"g","index":2}}'), { group: 'g', index: 2 });
    assert.equal(read('{"v":1,"args":[],"flow":7}'), undefined);
  });

  it('finds a replacement only in a result that is one', () => {
    assert.equal(replacementIn(JSON.stringify(replacedBy('flow'))), 'flow');
    for (const text of [
      undefined,
      '"celeriac.replaced"',
      'celeriac.replaced',
      '{"value":"celeriac.replaced"}',
    ])
      assert.equal(replacementIn(text), undefined);
  });

  it('comes back as it was written, with every field', () => {
    const full: Message = {
      v: 1,
      args: [1, 'two', { three: null }],
      root: 'r',
      parent: 'p',
      headers: { tenant: 'blue', n: { deep: true } },
      propagate: ['tenant'],
      ignore: true,
      expires: 1_800_000_000_000,
      eta: 1_700_000_000_000,
      soft: 10,
      hard: 20,
      retries: null,
      shadow: 'shown',
      id: 'mine',
    };
    assert.deepEqual(readMessage(JSON.stringify(full)), full);
    assert.deepEqual(readMessage('{"v":1,"args":[]}'), { v: 1, args: [] });
  });

  it('reads whatever another program put there without throwing, wrong types counting as absent', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        const message = messageFrom(data);
        assert.equal(typeof message.v, 'number');
        for (const key of ['root', 'parent', 'shadow', 'id'] as const) {
          assert(message[key] === undefined || typeof message[key] === 'string');
        }
      }),
    );
    const wrong = {
      v: 'x',
      root: 1,
      headers: 'no',
      propagate: [1, 'ok'],
      ignore: 'yes',
      expires: '1',
      retries: 'x',
    };
    assert.deepEqual(messageFrom(wrong), { v: 0, args: [], propagate: ['ok'] });
  });

  it('leaves out fields of newer producers', () => {
    assert.deepEqual(messageFrom({ v: 7, args: [1], novelty: true }), { v: 7, args: [1] });
  });
});

describe('A packed stack', () => {
  it('gives back the stack and the error, whatever both hold', () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.jsonValue()), (stack, wire) => {
        const wireError: unknown = JSON.parse(JSON.stringify(wire));
        assert.deepEqual(unpackStack(packStack(stack, wireError)), { stack, wireError });
      }),
    );
  });

  it('gives the readable half of one that was cut short, and all of one that is not ours', () => {
    const packed = packStack('Error: x\n    at y', { name: 'Error' });
    assert.deepEqual(unpackStack(packed.slice(0, -3)), { stack: 'Error: x\n    at y', wireError: undefined });
    assert.deepEqual(unpackStack('Error: z'), { stack: 'Error: z', wireError: undefined });
  });
});
