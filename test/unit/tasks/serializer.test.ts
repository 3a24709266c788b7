import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NotSerializableError, OptionError, PayloadTooLargeError } from '#src/errors.js';
import { checkPayloadSize } from '#src/tasks/payload-size.js';
import {
  decodeArgs,
  decodeResult,
  encodeArgs,
  encodedList,
  encodeResult,
  encodeResults,
  json,
  resolveSerializer,
  type Serializer,
} from '#src/tasks/serializer.js';

const rich = resolveSerializer('rich');

/** What a job holds after it went through the broker. */
function stored(payload: unknown): unknown {
  return JSON.parse(JSON.stringify(payload));
}

function throughJson(args: unknown[]): unknown[] {
  return decodeArgs(stored(encodeArgs(args)));
}

function refuses(args: unknown[], path: string, text: RegExp): void {
  assert.throws(
    () => encodeArgs(args),
    (error) => {
      assert(error instanceof NotSerializableError, String(error));
      assert.equal(error.path, path);
      assert.match(error.message, text);
      assert(error.message.startsWith(path), error.message);
      return true;
    },
  );
}

describe('the default serializer', () => {
  it('stores plain arguments and results as themselves, the very same objects', () => {
    const args = ['42', { nested: [1, null, { ok: true }] }];
    assert.equal(encodeArgs(args), args);
    const result = { total: 3 };
    assert.equal(encodeResult(result), result);
    assert.equal(encodeResult('done'), 'done');
  });

  it('refuses what JSON would change or drop, and says where it is', () => {
    const when = new Date();
    refuses([{ when }], 'args[0].when', /is a Date.*rich/);
    refuses([new Map()], 'args[0]', /is a Map/);
    refuses([1, [new Set()]], 'args[1][0]', /is a Set/);
    refuses([{ 'due date': 1n }], 'args[0]["due date"]', /BigInt/);
    refuses([Number.NaN], 'args[0]', /NaN/);
    refuses([{ x: Number.POSITIVE_INFINITY }], 'args[0].x', /Infinity/);
    refuses([() => 1], 'args[0]', /function/);
    refuses([{ f() {} }], 'args[0].f', /function/);
    refuses([Symbol('s')], 'args[0]', /symbol/);
    refuses([{ [Symbol('s')]: 1 }], 'args[0]["Symbol(s)"]', /symbol as its key/);
    refuses([/x/], 'args[0]', /RegExp/);
    refuses([new Uint8Array(2)], 'args[0]', /Uint8Array/);
    refuses([Buffer.from('x')], 'args[0]', /Buffer/);
    refuses([new Error('x')], 'args[0]', /is an Error/);
    refuses([new URL('http://x')], 'args[0]', /URL/);
    refuses([Promise.resolve(1)], 'args[0]', /await it/);
    refuses([new Number(3)], 'args[0]', /Number/);
    refuses([new Headers({ a: 'b' })], 'args[0]', /Headers/);
    refuses([[1, undefined]], 'args[0][1]', /undefined/);
    // biome-ignore lint/suspicious/noSparseArray: the hole is the point
    refuses([[1, , 3]], 'args[0][1]', /undefined/);
    refuses([undefined, 1], 'args[0]', /undefined/);
    assert.throws(() => encodeResult({ when }), /^NotSerializableError: result\.when/);
  });

  it('refuses cycles and endless depth instead of overflowing the stack', () => {
    const loop: { items: unknown[] } = { items: [] };
    loop.items.push(loop);
    refuses([loop], 'args[0].items[0]', /refers back to args\[0\]/);
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = { deep };
    assert.throws(() => encodeArgs([deep]), /levels deep/);
    assert.throws(() => encodeArgs([deep], rich), NotSerializableError);
    const twice = { id: 1 };
    assert.deepEqual(throughJson([twice, twice]), [twice, twice]);
  });

  it('leaves undefined properties and trailing undefined arguments out, and keeps -0 as 0', () => {
    assert.deepEqual(throughJson([{ a: 1, b: undefined }, undefined]), [{ a: 1 }]);
    assert.deepEqual(throughJson([-0]), [0]);
  });

  it('takes a class instance as its plain data, and toJSON at its word', () => {
    class Point {
      #secret = 1;
      x = 1;
      get double() {
        return this.x * 2 + this.#secret;
      }
    }
    class Money {
      constructor(readonly cents: number) {}
      toJSON() {
        return `${this.cents} ct`;
      }
    }
    class Itself {
      a = 1;
      toJSON() {
        return this;
      }
    }
    class Nothing {
      toJSON() {
        return undefined;
      }
    }
    assert.deepEqual(throughJson([new Point(), { m: new Money(5) }, new Itself(), { n: new Nothing() }]), [
      { x: 1 },
      { m: '5 ct' },
      { a: 1 },
      {},
    ]);
    refuses([new Nothing()], 'args[0]', /undefined/);
  });

  it('turns a throwing getter, toJSON or proxy into NotSerializableError', () => {
    const getter = {
      get boom() {
        throw new Error('no');
      },
    };
    refuses([getter], 'args[0].boom', /could not be read \(no\)/);
    const proxy = new Proxy(
      {},
      {
        ownKeys() {
          throw 'text';
        },
      },
    );
    refuses([{ a: 1 }, [proxy]], 'args[1][0]', /could not be read/);
    const { proxy: revoked, revoke } = Proxy.revocable({}, {});
    revoke();
    assert.throws(() => encodeArgs([revoked]), NotSerializableError);
    assert.throws(() => encodeArgs([revoked], rich), NotSerializableError);
    let reads = 0;
    const fickle = new Proxy(
      { a: 1 },
      { get: (_, key) => (key === 'a' ? (reads++ === 0 ? 1 : 1n) : undefined) },
    );
    assert.deepEqual(throughJson([fickle]), [{ a: 1 }]);
  });

  it('carries __proto__ and constructor as data, without harm', () => {
    const hostile = JSON.parse(
      '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "t": "\\u0000"}',
    );
    const [back] = throughJson([hostile]);
    assert.deepEqual(Object.keys(back as object), ['__proto__', 'constructor', 't']);
    assert.equal(JSON.stringify(back), JSON.stringify(hostile));
    assert.equal(({} as { polluted?: number }).polluted, undefined);
    assert.equal(Object.getPrototypeOf(back), Object.prototype);
  });

  it('writes NUL and lone surrogates out, in values and keys, and brings them back', () => {
    const args = ['a\0b', { '\ud800': ['␀0000', '\udc00 \ud83d\ude00'] }];
    const payload = encodeArgs(args);
    const text = JSON.stringify(payload);
    assert(!text.includes('\\u0000') && !text.includes('\\ud800'), text);
    assert.deepEqual(throughJson(args), args);
    assert.equal(decodeResult(stored(encodeResult('\0'))), '\0');
    assert.equal(encodeResult('␀0000'), '␀0000');
  });

  it("keeps a user's own $celeriac key apart from its envelope", () => {
    for (const value of [
      { $celeriac: 'rich', value: 'x' },
      { $celeriac: 'undefined' },
      { $celeriac: 1, value: { $celeriac: '\0' } },
      { $celeriac: 'list', value: [1] },
    ]) {
      assert.deepEqual(decodeResult(stored(encodeResult(value))), value);
    }
  });

  it('keeps null and undefined apart', () => {
    assert.equal(decodeResult(stored(encodeResult(undefined))), undefined);
    assert.equal(encodeResult(null), null);
    assert.equal(decodeResult(null), null);
  });

  it('keeps the results of a task over many as they are, those that are undefined too', () => {
    const own = { $celeriac: 'list', value: [1] };
    for (const values of [
      [],
      [1, null],
      [undefined],
      ['\0', { a: 1 }, undefined, [own], own],
      [[undefined].length],
    ])
      assert.deepEqual(decodeResult(stored(encodeResults(values))), values);
    assert.deepEqual(
      encodeResults([1, 'a', [{}]]),
      [1, 'a', [{}]],
      'readable where nothing stands in the way',
    );
    assert.throws(
      () => encodeResults([1, [undefined]]),
      (error: NotSerializableError) => error.path === 'result[1][0]',
    );
    const values = [new Date(0), undefined, 1n];
    assert.deepEqual(decodeResult(stored(encodeResults(values, rich)), rich), values);
    const sealing: Serializer = {
      name: 'sealing',
      encode: (value) => JSON.stringify(value),
      decode: (text) => JSON.parse(String(text)),
    };
    assert.deepEqual(
      decodeResult(stored(encodeResults([1, undefined], sealing)), sealing),
      [1, undefined],
      'a serializer of its own is given what was returned, never nothing',
    );
  });

  it('makes one of results that were encoded each, lists of lists too', () => {
    const inner = encodedList([encodeResult(1), encodeResult(undefined)]);
    const outer = encodedList([inner, encodeResult('x'), encodeResult(new Map([[1, 2]]), rich)]);
    assert.deepEqual(decodeResult(stored(outer)), [[1, undefined], 'x', new Map([[1, 2]])]);
    assert.throws(() => resolveSerializer({ ...json, name: 'list' }), OptionError);
  });

  it('reads what a BullMQ worker in another language stored', () => {
    assert.deepEqual(decodeResult({ rows: 3 }), { rows: 3 });
    assert.deepEqual(decodeArgs([1, 2]), [1, 2]);
    assert.throws(() => decodeArgs({ id: 7 }), /list of arguments/);
    assert.throws(() => decodeArgs(undefined), /list of arguments/);
  });
});

describe("the serializer 'rich'", () => {
  const through = (value: unknown) => decodeResult(stored(encodeResult(value, rich)), rich);

  it('carries what JSON does not', () => {
    const value = {
      date: new Date(5),
      map: new Map<unknown, unknown>([['a', new Set([1n])]]),
      bytes: new Uint8Array([1, 2]),
      url: new URL('http://x/y'),
      pattern: /a+/gi,
      nan: Number.NaN,
      list: [undefined, null],
      text: 'NUL \0 lone \ud800',
    };
    assert.deepEqual(through(value), value);
    const loop: { me?: unknown } = {};
    loop.me = loop;
    const back = through(loop) as { me: unknown };
    assert.equal(back.me, back);
    const hostile = JSON.parse('{"__proto__": 1, "$__proto__": 2}');
    assert.equal(JSON.stringify(through(hostile)), JSON.stringify(hostile));
  });

  it('carries errors with their class, stack, cause and own properties', () => {
    const cause = new Error('inner');
    const error = Object.assign(new TypeError('outer', { cause }), { status: 404, at: new Date(1) });
    const back = through(error) as TypeError & { status: number; at: Date };
    assert(back instanceof TypeError);
    assert.equal(back.message, 'outer');
    assert.equal(back.stack, error.stack);
    assert.equal((back.cause as Error).message, 'inner');
    assert.equal(back.status, 404);
    assert.deepEqual(back.at, new Date(1));
    assert(!Object.keys(back).includes('cause'));
    const group = through(new AggregateError([error], 'many')) as AggregateError;
    assert(group instanceof AggregateError && group.errors[0] instanceof TypeError);
  });

  it('takes class instances and toJSON as plain JSON does', () => {
    class Point {
      x = 1;
      __proto = 2;
    }
    class Money {
      toJSON() {
        return 0;
      }
    }
    assert.deepEqual(through([new Point(), new Money()]), [{ x: 1, __proto: 2 }, 0]);
  });

  it('refuses what it cannot carry, with the path', () => {
    assert.throws(() => encodeArgs([{ f() {} }], rich), /NotSerializableError: .*args\[0\]\.f/);
    assert.throws(() => encodeArgs([Promise.resolve()], rich), NotSerializableError);
    const error: Error & { self?: unknown } = new Error('loop');
    error.self = error;
    assert.throws(() => encodeArgs([error], rich), NotSerializableError);
  });
});

describe('a serializer of your own', () => {
  const reversed: Serializer = {
    name: 'reversed',
    encode: (value) => [...JSON.stringify(value)].reverse().join(''),
    decode: (encoded) => JSON.parse([...String(encoded)].reverse().join('')),
  };

  it('gets the whole list of arguments, and its name is stored beside what it wrote', () => {
    const payload = stored(encodeArgs(['42'], reversed)) as { $celeriac: string; value: string };
    assert.deepEqual(payload, { $celeriac: 'reversed', value: ']"24"[' });
    assert.deepEqual(decodeArgs(payload, reversed), ['42']);
    assert.equal(decodeResult(stored(encodeResult(undefined, reversed)), reversed), undefined);
  });

  it('may write any text', () => {
    const binary: Serializer = { name: 'binary', encode: () => '\0\ud800', decode: (text) => [text] };
    assert.deepEqual(decodeArgs(stored(encodeArgs([1], binary)), binary), ['\0\ud800']);
  });

  it('is named when it fails, writes what JSON cannot carry, or is missing', () => {
    const broken: Serializer = {
      name: 'broken',
      encode: () => {
        throw new Error('no key');
      },
      decode: () => 1,
    };
    assert.throws(() => encodeArgs([1], broken), /"broken" could not encode args: no key/);
    const dated: Serializer = { name: 'dated', encode: () => new Date(), decode: () => 1 };
    assert.throws(() => encodeArgs([1], dated), /as encoded by the serializer "dated" is a Date/);
    assert.throws(
      () => decodeArgs({ $celeriac: 'reversed', value: '' }, json),
      /"reversed", and this app has "json"/,
    );
    assert.throws(() => resolveSerializer({ ...reversed, name: 'json' }), OptionError);
  });
});

describe('maxPayloadBytes', () => {
  it('counts UTF-8 bytes and names what is too large', () => {
    const limit = { what: 'arguments', where: 'task "x"', limit: 10 };
    checkPayloadSize('0123456789', limit);
    checkPayloadSize('€€€', limit);
    assert.throws(() => checkPayloadSize('€€€€', limit), PayloadTooLargeError);
    assert.throws(() => checkPayloadSize('€€€€', limit), /arguments of task "x" take 12 bytes.*\(10\)/);
    checkPayloadSize('€€€€', { ...limit, limit: undefined });
  });
});
