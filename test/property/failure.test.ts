import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeFailure, encodeFailure } from '#src/protocol/wire-error.js';

const anything = fc.anything({
  withDate: true,
  withMap: true,
  withSet: true,
  withBigInt: true,
  withNullPrototype: true,
  withSparseArray: true,
  withTypedArray: true,
  withBoxedValues: true,
  withObjectString: true,
});
const error = fc
  .record({
    message: fc.string({ unit: 'binary' }),
    cause: anything,
    fields: fc.dictionary(fc.string({ unit: 'binary' }), anything),
  })
  .map(({ message, cause, fields }) => {
    const made = new Error(message, { cause });
    for (const [key, value] of Object.entries(fields))
      Object.defineProperty(made, key, { value, enumerable: true });
    return made;
  });

describe('encodeFailure', () => {
  it('never throws, stays bounded, and writes only what every engine takes', () => {
    fc.assert(
      fc.property(fc.oneof(anything, error), (thrown) => {
        const text = JSON.stringify(encodeFailure(thrown));
        assert(Buffer.byteLength(text) <= 65_536);
        assert(!/\\u0000|\\ud[89a-f]/.test(text));
        assert(decodeFailure(JSON.parse(text)) instanceof Error);
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps within any budget', () => {
    fc.assert(
      fc.property(error, fc.integer({ min: 1024, max: 4096 }), (thrown, maxBytes) => {
        assert(Buffer.byteLength(JSON.stringify(encodeFailure(thrown, { maxBytes }))) <= maxBytes);
      }),
    );
  });
});

describe('decodeFailure', () => {
  it('never throws and never touches a prototype', () => {
    const wire = fc.record(
      {
        name: anything,
        message: anything,
        class: anything,
        stack: anything,
        code: anything,
        fields: anything,
        cause: anything,
        errors: anything,
      },
      { requiredKeys: [] },
    );
    const before = Object.getOwnPropertyNames(Object.prototype).length;
    fc.assert(
      fc.property(fc.oneof(anything, wire), (stored) => {
        assert(decodeFailure(stored) instanceof Error);
      }),
      { numRuns: 1000 },
    );
    assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before);
  });
});
