/** What jsonb would put into another order goes as text, and comes back as it was. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keepOrder } from '#src/key-order.js';
import { decodeArgs, decodeResult } from '#src/tasks/serializer.js';
import { Serializers } from '#src/tasks/serializers.js';
import { WireCodec } from '#src/tasks/wire-codec.js';

describe('the order of keys', () => {
  it('is left to the broker where it is jsonb’s own already', () => {
    for (const value of [1, 'a', null, [1, 2], {}, { a: 1 }, { a: 1, b: 2, aa: [{ c: 1, dd: 2 }] }])
      assert.equal(keepOrder(value), value);
  });

  it('is kept as text where jsonb would change it, at any depth', () => {
    for (const value of [
      { b: 1, a: 2 },
      { aa: 1, b: 2 },
      [[{ b: 1, a: { zz: 1, y: 2 } }]],
      { a: { b: 1, a: 2 } },
      { a: [1, { b: 1, a: 2 }], b: 1 },
      { ab: 1, é: 2, c: 3 },
    ]) {
      const kept = keepOrder(value);
      assert.notEqual(kept, value);
      assert.equal(JSON.stringify(decodeResult(kept)), JSON.stringify(value));
    }
    assert.equal(JSON.stringify(decodeArgs(keepOrder([{ b: 1, a: 2 }]))), '[{"b":1,"a":2}]');
  });

  it('of an envelope is nobody’s, that of what is inside is', () => {
    const plain = { $celeriac: 'rich', value: [1] };
    assert.equal(keepOrder(plain), plain);
    const inner = { $celeriac: 'json', value: { b: 1, $celeriac: 2 } };
    assert.equal(JSON.stringify(decodeResult(keepOrder(inner))), '{"b":1,"$celeriac":2}');
  });

  it('costs a value nothing of its size limit, and nothing at all where keys keep their order', async () => {
    const value = { b: '"'.repeat(40), a: 1 };
    const limit = JSON.stringify(value).length;
    const sorting = new WireCodec(new Serializers(), { maxBytes: limit, sortsKeys: () => true });
    assert.equal(
      JSON.stringify(sorting.decodeResult(sorting.encodeResult(value, 't'))),
      JSON.stringify(value),
    );
    const keeping = new WireCodec(new Serializers(), { maxBytes: limit, sortsKeys: () => false });
    assert.equal(JSON.stringify(keeping.encodeResult(value, 't')), JSON.stringify(value));
  });
});
