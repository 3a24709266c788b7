/** What events have beside what happened. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac } from 'celeriac';
import { EventDetails } from '#src/tasks/event-details.js';
import { Serializers } from '#src/tasks/serializers.js';
import { WireCodec } from '#src/tasks/wire-codec.js';

const of = (message: object) => ({ name: 'task', message: { v: 1, args: [], ...message } });
const message = of({ args: [1, { a: 'b' }] });
const json = new WireCodec(new Serializers());

describe('eventDetails', () => {
  it('are those that the app names, and nothing else', () => {
    const none = new EventDetails([], json);
    assert.deepEqual(
      [none.args(message), none.result(1, message), none.stack(new Error('x'), message)],
      [{}, {}, {}],
    );
    const all = new EventDetails(['args', 'result', 'stack'], json);
    assert.deepEqual(all.args(message), { args: [1, { a: 'b' }] });
    assert.deepEqual(all.args(of({ args: [[1], [2]], each: true })), { args: [[1], [2]] });
    assert.deepEqual(all.result(null, message), { result: null });
    assert.deepEqual(all.result({ $celeriac: 'undefined' }, message), {});
    assert.match(all.stack(new RangeError('x'), message).stack ?? '', /^RangeError: x\n/);
    assert.deepEqual([all.stack('text', message), all.stack(undefined, message)], [{}, {}]);
  });

  it('show nothing that is sealed, survive what cannot be read, and are never long', () => {
    const sealing = { name: 'secret', encode: () => 'x', decode: (): unknown => 'opened' };
    const sealed = new EventDetails(['args', 'result', 'stack'], new WireCodec(new Serializers(sealing)));
    assert.deepEqual(sealed.args(message), { args: ['[sealed by the serializer "secret"]'] });
    assert.deepEqual(sealed.result({ $celeriac: 'secret', value: 'x' }, message), {
      result: '[sealed by the serializer "secret"]',
    });
    assert.deepEqual(sealed.stack(new Error('x'), message), {});
    const all = new EventDetails(['args', 'result', 'stack'], json);
    assert.deepEqual(all.args(of({ args: 7 })), { args: ['[cannot be read]'] });
    const long = '€'.repeat(50_000);
    const many = Array.from({ length: 5_000 }, (_, n) => ({ n, long }));
    for (const detail of [
      all.args(of({ args: many })),
      all.result(long, message),
      all.stack(new Error(long), message),
    ])
      assert.ok(Buffer.byteLength(JSON.stringify(detail)) < 3_600);
  });

  it('hide what its task or its call hides', () => {
    const hiding = { publish: { sensitive: true } };
    const known = new EventDetails(['args', 'stack'], json, () => hiding);
    assert.deepEqual(known.args(message), { args: ['[hidden]'] });
    const all = new EventDetails(['args', 'result', 'stack'], json);
    assert.deepEqual(all.args(of({ args: ['x'], shown: ['instead'] })), { args: ['instead'] });
    const one = of({ args: ['x'], serializer: 'aes' });
    assert.deepEqual(all.args(one), { args: ['[sealed by the serializer "aes"]'] });
    assert.deepEqual(all.stack(new Error('x'), one), {});
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
