import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TransientMap } from '#src/transient-map.js';

describe('TransientMap', () => {
  it('keeps what was set until it is deleted', () => {
    const map = new TransientMap<number>();
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    assert.equal(map.size, 2);
    assert.equal(map.get('a'), 3);
    assert.equal(map.delete('a'), true);
    assert.equal(map.delete('a'), false);
    assert.equal(map.get('a'), undefined);
    assert.equal(map.size, 1);
  });

  it('takes any text for a key, also what plain objects carry by birth', () => {
    const map = new TransientMap<string>();
    for (const key of ['__proto__', 'constructor', 'toString', '', '7']) {
      assert.equal(map.get(key), undefined, key);
      map.set(key, key);
      assert.equal(map.get(key), key);
    }
    assert.equal(map.size, 5);
    map.clear();
    assert.equal(map.size, 0);
  });

  it('gives lists that later changes leave alone', () => {
    const map = new TransientMap<number>();
    map.set('a', 1);
    for (const [key] of map.entries()) map.set(`${key}${key}`, 2);
    const values = map.values();
    map.clear();
    assert.deepEqual(values, [1, 2]);
  });
});
