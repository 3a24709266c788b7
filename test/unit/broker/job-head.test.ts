/** What is left of a long message when its arguments are cut away. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TAIL, withoutLongArguments } from '#src/broker/job-head.js';
import { readMessage, writeMessage } from '#src/protocol/message.js';

const long = 'x'.repeat(50_000);

function headOf(args: unknown[], fields: object) {
  const text = writeMessage(JSON.stringify(args), fields);
  return readMessage(withoutLongArguments(text.slice(-TAIL), text.length));
}

describe('the head of a long message', () => {
  it('has everything but the arguments, which say how long it is', () => {
    const fields = { id: 'mine', eta: 7, revoked: { reason: 'no' }, tried: 2 };
    const { v, args, ...rest } = headOf([long], fields);
    assert.deepEqual([v, rest], [1, fields]);
    assert.match(JSON.stringify(args), /^\["\[50,\d\d\d bytes\]"\]$/);
  });

  it('takes nothing inside the arguments for a field', () => {
    const inside = { a: 1, revoked: { reason: 'not me' }, id: 'not me' };
    for (const args of [[long, inside], [long, ',"revoked":{}}'], [[long, [inside, 1]]]]) {
      const { v: _, args: __, ...rest } = headOf(args, {});
      assert.deepEqual(rest, {});
      const { v: _v, args: _a, ...fields } = headOf(args, { id: 'mine' });
      assert.deepEqual(fields, { id: 'mine' });
    }
  });

  it('is a message also where the end of it is not one', () => {
    for (const tail of ['', '}', 'nonsense', ',"', `,"headers":${long}`])
      assert.equal(readMessage(withoutLongArguments(tail, 9)).v, 1);
  });
});
