import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect, isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { NotSerializableError } from '#src/errors.js';
import {
  decodeArgs,
  decodeResult,
  encodeArgs,
  encodeResult,
  resolveSerializer,
} from '#src/tasks/serializer.js';
import { escapeText, isPlainText, unescapeText } from '#src/text-escape.js';

const rich = resolveSerializer('rich');
/** Any UTF-16 text, with NUL, lone surrogates and the escape itself more often than by chance. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.oneof(
        fc.constantFrom('\0', '\ud800', '\udfff', '␀', '␀0000', '0000'),
        fc.nat(0xffff).map((unit) => String.fromCharCode(unit)),
      ),
    )
    .map((units) => units.join('')),
);

function stored(payload: unknown): unknown {
  return JSON.parse(JSON.stringify(payload) ?? 'null');
}

describe('text', () => {
  it('comes back from its escape, whatever it is, and every engine takes the escape', () => {
    fc.assert(
      fc.property(text, (given) => {
        const escaped = escapeText(given);
        assert(isPlainText(escaped));
        assert.equal(unescapeText(escaped), given);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('plain JSON', () => {
  const jsonLike = fc.jsonValue({ stringUnit: 'binary' });

  it('brings every JSON value back unchanged', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(jsonLike, text, fc.dictionary(text, text))), (args) => {
        const expected = JSON.parse(JSON.stringify(args));
        const payload = stored(encodeArgs(args));
        assert(!/\\u0000|\\ud[89a-f]/.test(JSON.stringify(payload)));
        assert.deepEqual(decodeArgs(payload), expected);
      }),
    );
  });

  it('either brings a value back as JSON would have it, or refuses it', () => {
    const anything = fc.anything({
      withDate: true,
      withMap: true,
      withSet: true,
      withBigInt: true,
      withNullPrototype: true,
      withSparseArray: true,
      withTypedArray: true,
      withBoxedValues: true,
    });
    fc.assert(
      fc.property(anything, (value) => {
        let payload: unknown;
        try {
          payload = encodeResult(value);
        } catch (error) {
          assert(error instanceof NotSerializableError);
          return;
        }
        const back = decodeResult(stored(payload));
        if (value === undefined) assert.equal(back, undefined);
        else assert.equal(JSON.stringify(back), JSON.stringify(value));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("'rich'", () => {
  it('brings everything back that it accepts', () => {
    const anything = fc.anything({
      withDate: true,
      withMap: true,
      withSet: true,
      withBigInt: true,
      withNullPrototype: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    fc.assert(
      fc.property(anything, (value) => {
        const back = decodeResult(stored(encodeResult(value, rich)), rich);
        // Two invalid dates are no equals to Node 20, and read the same.
        assert(isDeepStrictEqual(back, value) || inspect(back, ALL) === inspect(value, ALL));
      }),
      { numRuns: 1000 },
    );
  });
});

const ALL = { depth: null, maxArrayLength: null, maxStringLength: null } as const;
