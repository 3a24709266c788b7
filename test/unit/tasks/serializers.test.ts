import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OptionError } from '#src/errors.js';
import { checkSerializers, type Serializer } from '#src/options/serializers.js';
import { Serializers } from '#src/tasks/serializers.js';
import { WireCodec } from '#src/tasks/wire-codec.js';

const keyed = (name: string): Serializer => ({
  name,
  encode: (value) => `${name}:${JSON.stringify(value)}`,
  decode: (text) => JSON.parse(String(text).slice(name.length + 1)) as unknown,
});
const [old, young] = [keyed('old'), keyed('young')];

describe('The serializers of an app', () => {
  it('are all read, and the first one writes, unless another is said to', () => {
    const rotated = new WireCodec(new Serializers(undefined, [young, old]));
    const before = new WireCodec(new Serializers(old));
    const written = before.encodeResult({ a: 1 }, 'task');
    assert.deepEqual(rotated.decodeResult(written), { a: 1 });
    const now = rotated.encodeResult({ a: 1 }, 'task');
    assert.deepEqual(now, { $celeriac: 'young', value: 'young:{"a":1}' });
    assert.throws(
      () => before.decodeResult(now),
      /written by the serializer "young", and this app has .*"old"/,
    );
    assert.equal(new Serializers('old', [young, old]).first, old);
    assert.equal(new Serializers(undefined, ['rich', old]).first.name, 'rich');
    assert.equal(new Serializers().first.name, 'json');
  });

  it('have names of their own', () => {
    assert.throws(() => new Serializers('older', [old]), /knows no serializer "older", but .*"old"/);
    assert.throws(() => new Serializers(keyed('old'), [old]), /another serializer with the name "old"/);
    for (const name of ['json', 'gzip', 'list', 'undefined', ''])
      assert.throws(() => new Serializers({ ...old, name }), OptionError, name);
    for (const wrong of [[], 'json', [old, keyed('old')], ['old'], [{ name: 'x' }], [undefined]])
      assert.throws(() => checkSerializers(wrong, 'serializers'), OptionError);
  });

  it('write what the call says over the task, over the app', () => {
    const policies = new Map([['sealed', { serializer: young, compress: false as const }]]);
    const codec = new WireCodec(new Serializers('json', [old]), {
      compress: { above: 50, format: 'gzip' },
      policyOf: (name) => policies.get(name),
    });
    assert.equal(
      codec.writingFor('plain', {}),
      codec.writingFor('other', {}),
      'nothing is made for a plain task',
    );
    assert.throws(() => new WireCodec(new Serializers()).writingFor('x', { serializer: 'old' }), OptionError);
    const of = (name: string, sent: object) => {
      const { serializer, compress } = codec.writingFor(name, sent);
      return [serializer.name, compress === false ? compress : compress.above];
    };
    assert.deepEqual(of('plain', {}), ['json', 50]);
    assert.deepEqual(of('plain', { compress: 0 }), ['json', false]);
    assert.deepEqual(of('plain', { compress: 9, serializer: 'old' }), ['old', 9]);
    assert.deepEqual(of('sealed', {}), ['young', false]);
    assert.deepEqual(of('sealed', { serializer: 'json', compress: 9 }), ['json', 9]);
    assert.equal(codec.sealOf('plain', { args: [] }), undefined);
    assert.equal(codec.sealOf('plain', { args: [], serializer: 'old' }), 'old');
    assert.equal(codec.sealOf('plain', { args: { $celeriac: 'lost', value: '' } }), 'lost');
    assert.equal(codec.sealOf('plain', { args: { $celeriac: 'rich', value: '' } }), undefined);
    assert.equal(codec.sealOf('sealed', { args: [] }), 'young');
  });
});
