/** What events have beside what happened. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac } from 'celeriac';
import { EventDetails } from '#src/tasks/event-details.js';
import { WireCodec } from '#src/tasks/wire-codec.js';

const message = { args: [1, { a: 'b' }] };
const json = new WireCodec('json', undefined);

describe('eventDetails', () => {
  it('are those that the app names, and nothing else', () => {
    const none = new EventDetails([], json);
    assert.deepEqual([none.args(message), none.result(1), none.stack(new Error('x'))], [{}, {}, {}]);
    const all = new EventDetails(['args', 'result', 'stack'], json);
    assert.deepEqual(all.args(message), { args: [1, { a: 'b' }] });
    assert.deepEqual(all.args({ args: [[1], [2]], each: true }), { args: [[1], [2]] });
    assert.deepEqual(all.result(null), { result: null });
    assert.deepEqual(all.result({ $celeriac: 'undefined' }), {});
    assert.match(all.stack(new RangeError('x')).stack ?? '', /^RangeError: x\n/);
    assert.deepEqual([all.stack('text'), all.stack(undefined)], [{}, {}]);
  });

  it('show nothing that is sealed, survive what cannot be read, and are never long', () => {
    const sealing = { name: 'secret', encode: () => 'x', decode: (): unknown => 'opened' };
    const sealed = new EventDetails(['args', 'result', 'stack'], new WireCodec(sealing, undefined));
    assert.deepEqual(sealed.args(message), { args: ['[sealed by the serializer "secret"]'] });
    assert.deepEqual(sealed.result({ $celeriac: 'secret', value: 'x' }), {
      result: '[sealed by the serializer "secret"]',
    });
    assert.deepEqual(sealed.stack(new Error('x')), {});
    const all = new EventDetails(['args', 'result', 'stack'], json);
    assert.deepEqual(all.args({ args: 7 }), { args: ['[cannot be read]'] });
    const long = '€'.repeat(50_000);
    const many = Array.from({ length: 5_000 }, (_, n) => ({ n, long }));
    for (const detail of [all.args({ args: many }), all.result(long), all.stack(new Error(long))])
      assert.ok(Buffer.byteLength(JSON.stringify(detail)) < 3_600);
  });

  it('are refused where they are none', () => {
    const make = (eventDetails: unknown) => () =>
      new Celeriac('x', { broker: 'memory://', eventDetails } as never);
    assert.throws(make(['arguments']), {
      code: 'OPTION',
      message: /there is no detail "arguments".*'args', 'result'/,
    });
    assert.throws(make('args'), { code: 'OPTION', message: /is no list of details/ });
    assert.throws(make(null), { code: 'OPTION' });
  });
});
