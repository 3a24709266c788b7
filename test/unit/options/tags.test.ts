import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OptionError } from '#src/errors.js';
import { allTags, bothTags, NO_TAGS, tagsOf } from '#src/options/tags.js';

describe('tags', () => {
  it('are short texts, each once', () => {
    assert.deepEqual(tagsOf(['a', 'b', 'a'], 'tags'), ['a', 'b']);
    assert.deepEqual(tagsOf([], 'tags'), []);
    for (const wrong of ['a', { 0: 'a' }, [''], [1], ['x'.repeat(201)], null])
      assert.throws(() => tagsOf(wrong, 'here: tags'), OptionError, String(wrong));
    const many = Array.from({ length: 51 }, (_, n) => `t${n}`);
    assert.throws(() => tagsOf(many, 'here: tags'), /here: tags has 51 tags; at most 50/);
  });

  it('of several places add up in their order', () => {
    assert.deepEqual(allTags(['a'], undefined, ['b', 'a']), ['a', 'b']);
    assert.equal(allTags(undefined, [], undefined), NO_TAGS);
    const only = ['a'];
    assert.equal(allTags(undefined, only), only);
  });

  it('of two layers add up only where both are lists', () => {
    assert.deepEqual(bothTags(['a'], ['b']), { tags: ['a', 'b'] });
    assert.equal(bothTags(undefined, ['b']), undefined);
    assert.equal(bothTags(['a'], 'b'), undefined);
  });
});
