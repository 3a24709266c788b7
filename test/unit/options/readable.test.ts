/** What is shown of settings has no secret in it, wherever it hides. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maskUrl, readable, shownUrl } from '#src/options/readable.js';

describe('a URL that is shown', () => {
  it('hides the login of a URL inside it, written out or encoded', () => {
    const inner = 'postgres://celeriac:hunter2@server:5432/db';
    for (const text of [
      `postgres://a:hunter2@pooler:6432/db?listen=${inner}`,
      `postgres://a:hunter2@pooler:6432/db?x=1&listen=${encodeURIComponent(inner)}`,
      `postgres://pooler/db?listen=${encodeURIComponent(inner).toLowerCase()}`,
    ]) {
      assert.doesNotMatch(maskUrl(text), /hunter2/);
      assert.doesNotMatch(shownUrl(text), /hunter2/);
      assert.match(maskUrl(text), /pooler.*db\?/);
    }
  });
});

describe('an option that is shown', () => {
  it('is the name of a serializer, wherever it stands', () => {
    const serializer = { name: 'aes', aesKey: 'hunter2', encode: () => '', decode: () => '' };
    assert.deepEqual(readable({ annotations: { 'pay.*': { serializer } } }), {
      annotations: { 'pay.*': { serializer: 'aes' } },
    });
  });
});
