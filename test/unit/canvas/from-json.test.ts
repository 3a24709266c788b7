import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, OptionError } from 'celeriac';

describe('A signature from JSON', () => {
  it('is refused with a clear error when it is none, before anything is asked of the broker', () => {
    const app = new Celeriac('json', { broker: 'memory://' });
    const wrong: unknown[] = [
      null,
      7,
      {},
      { task: 'a', args: 'x' },
      { task: 'a', link: {} },
      { task: '' },
      { chain: 5 },
      { chain: [7] },
      { group: 'ab' },
      { chord: null },
      { chord: { body: { task: 'a' } } },
      { group: [], args: 1 },
    ];
    for (const json of wrong)
      assert.throws(() => app.signature(json as never), OptionError, JSON.stringify(json));
  });

  it('never takes a prototype from it', () => {
    const app = new Celeriac('json', { broker: 'memory://' });
    app.signature(JSON.parse('{"task":"a","args":[],"options":{"__proto__":{"polluted":1}}}') as never);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });
});
