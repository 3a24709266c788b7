import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { NotSerializableError, OptionError, PayloadTooLargeError } from '#src/errors.js';
import { checkCompress, hasZstd } from '#src/options/compression.js';
import { compressed, inflated, isCompressed } from '#src/tasks/compression.js';
import { decodeArgs, decodeResult, type Reading } from '#src/tasks/serializer.js';

const ABOVE = { above: 100, format: 'gzip' } as const;
const MOST = 10_000;
const bounded: Reading = { named: () => undefined, names: () => 'json', mostBytes: MOST };
const gzip = (text: string) => ({ $celeriac: 'gzip', value: gzipSync(text).toString('base64') }) as const;

describe('Compression', () => {
  it('is read as a size, as never, or with a format', () => {
    assert.deepEqual(checkCompress('8kb', 'x'), { above: 8192, format: 'gzip' });
    assert.deepEqual(checkCompress(500, 'x'), { above: 500, format: 'gzip' });
    assert.equal(checkCompress(false, 'x'), false);
    assert.deepEqual(checkCompress({ above: '1kb', format: 'gzip' }, 'x'), { above: 1024, format: 'gzip' });
    for (const wrong of [true, null, '8', 'gzip', 0, -1, Number.NaN, {}, { above: '8kb', format: 'br' }])
      assert.throws(() => checkCompress(wrong, 'compress'), OptionError, String(wrong));
    assert.throws(() => checkCompress({ above: 1, fromat: 'gzip' }, 'compress'), /Did you mean "format"/);
    if (!hasZstd())
      assert.throws(() => checkCompress({ above: 1, format: 'zstd' }, 'compress'), /has no zstd/);
  });

  it('is left out below the size, where it saves nothing, and above what readers accept', () => {
    const text = JSON.stringify('ä'.repeat(200));
    const small = compressed(text, ABOVE, MOST);
    assert(isCompressed(small));
    assert.equal(inflated(small, MOST), text);
    assert.deepEqual(small, compressed(text, ABOVE, MOST), 'the same text gives the same bytes');
    assert.equal(compressed(text, { ...ABOVE, above: Buffer.byteLength(text) }, MOST), undefined);
    assert.equal(compressed(text, false, MOST), undefined);
    assert.equal(compressed(text, ABOVE, 300), undefined);
    const random = randomBytes(150).toString('base64');
    assert.equal(compressed(random, { ...ABOVE, above: 10 }, MOST), undefined);
  });

  it('is undone wherever a payload is read', () => {
    assert.deepEqual(decodeArgs(gzip('[1,{"b":1,"a":2}]')), [1, { b: 1, a: 2 }]);
    assert.deepEqual(decodeResult(gzip('{"$celeriac":"json","value":{"$celeriac":1}}')), { $celeriac: 1 });
    assert.equal(decodeResult(gzip('{"$celeriac":"undefined"}')), undefined);
    const ordered = JSON.stringify({ $celeriac: 'ordered', value: '{"b":1,"a":2}' });
    assert.equal(JSON.stringify(decodeResult(gzip(ordered))), '{"b":1,"a":2}');
    const list = { $celeriac: 'list', value: [gzip('[7]'), { $celeriac: 'undefined' }] };
    assert.deepEqual(decodeResult(list), [[7], undefined]);
  });

  it('of another program takes no more memory than is allowed, alone, in lists and within itself', () => {
    const bomb = gzip(`"${'0'.repeat(MOST)}"`);
    assert.throws(() => decodeResult(bomb, bounded), PayloadTooLargeError);
    assert.throws(() => decodeArgs(bomb, bounded), /more than 10000 bytes.*maxPayloadBytes/s);
    const half = gzip(`"${'0'.repeat(MOST / 2)}"`);
    assert.equal(String(decodeResult(half, bounded)).length, MOST / 2);
    const many = { $celeriac: 'list', value: Array(20).fill(half) };
    assert.throws(() => decodeResult(many, bounded), PayloadTooLargeError);
    let deep: object = gzip('1');
    for (let i = 0; i < 20; i++) deep = gzip(JSON.stringify(deep));
    assert.throws(() => decodeResult(deep, bounded));
  });

  it('that cannot be read says so', () => {
    for (const value of [
      '',
      'no base64!',
      gzipSync('{"half":').toString('base64'),
      gzip('[1]').value.slice(0, 20),
    ])
      assert.throws(() => decodeResult({ $celeriac: 'gzip', value }), NotSerializableError, value);
    if (!hasZstd())
      assert.throws(
        () => decodeResult({ $celeriac: 'zstd', value: 'KLUv/QBYAQAAMQ==' }),
        /zstd, which this Node/,
      );
  });
});
