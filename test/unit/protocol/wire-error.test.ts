import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect, types } from 'node:util';
import { InvalidArgumentsError, isCeleriacError, OptionError, TaskFailedError } from '#src/errors.js';
import { decodeFailure, ErrorClasses, encodeFailure, errorNameOf } from '#src/protocol/wire-error.js';

class PaymentError extends Error {
  constructor(
    readonly status: number,
    options?: ErrorOptions,
  ) {
    super(`status ${status}`, options);
    if (status === undefined) throw new Error('the constructor must not run');
  }
  get retryable() {
    return this.status > 499;
  }
}

function throughWire(thrown: unknown, classes = new ErrorClasses()): Error {
  return decodeFailure(JSON.parse(JSON.stringify(encodeFailure(thrown))), classes);
}

describe('an error that crosses the wire', () => {
  it('keeps name, message, stack, code and own properties', () => {
    const error = Object.assign(new TypeError('bad'), {
      code: 'E_BAD',
      detail: { at: new Date(0), n: 1 },
      f() {},
    });
    const back = throughWire(error);
    assert(back instanceof TypeError);
    assert.equal(back.message, 'bad');
    assert.equal(back.stack, error.stack);
    assert.deepEqual(Object.entries(back), [
      ['code', 'E_BAD'],
      ['detail', { at: '1970-01-01T00:00:00.000Z', n: 1 }],
    ]);
    assert(types.isNativeError(back));
    assert.match(inspect(back), /TypeError: bad\n\s+at .*wire-error\.test[\s\S]*code: 'E_BAD'/);
  });

  it('is of its own class when that is registered, without running its constructor', () => {
    const classes = new ErrorClasses();
    classes.register(PaymentError);
    const back = throughWire(new PaymentError(503), classes);
    assert(back instanceof PaymentError);
    assert.equal(back.status, 503);
    assert.equal(back.retryable, true);
    const unknown = throughWire(new PaymentError(503));
    assert(!(unknown instanceof PaymentError));
    assert.equal(unknown.name, 'PaymentError');
    assert.equal(unknown.constructor, Error);
  });

  it('finds the class of an error with a name of its own', () => {
    const classes = new ErrorClasses();
    classes.register(PaymentError);
    const error = new PaymentError(1);
    error.name = 'Declined';
    const back = throughWire(error, classes);
    assert(back instanceof PaymentError);
    assert.equal(back.name, 'Declined');
    assert.throws(() => classes.register(Object as never), OptionError);
  });

  it('knows built-in classes and the errors of celeriac, with their fields', () => {
    for (const cls of [RangeError, SyntaxError, ReferenceError, EvalError, URIError]) {
      assert(throughWire(new cls('x')) instanceof cls);
    }
    const aborted = throughWire(AbortSignal.timeout(1e6) && new DOMException('too late', 'TimeoutError'));
    assert(aborted instanceof DOMException);
    assert.equal(aborted.name, 'TimeoutError');
    const invalid = throughWire(
      new InvalidArgumentsError('no', [{ path: '0.email', message: 'is no email' }]),
    );
    assert(invalid instanceof InvalidArgumentsError && isCeleriacError(invalid, 'INVALID_ARGUMENTS'));
    assert.deepEqual(invalid.violations, [{ path: '0.email', message: 'is no email' }]);
    assert.equal(invalid.name, 'InvalidArgumentsError');
    const failed = throughWire(
      new TaskFailedError({ taskId: 'a', errorName: 'X', message: 'm', cause: new RangeError('deep') }),
    );
    assert(failed instanceof TaskFailedError && failed.cause instanceof RangeError && failed.taskId === 'a');
  });

  it('keeps its causes and the members of an AggregateError', () => {
    const error = new Error('outer', { cause: new TypeError('middle', { cause: { code: 7 } }) });
    const back = throughWire(error);
    assert(back.cause instanceof TypeError);
    assert.deepEqual(back.cause.cause, { code: 7 });
    assert(!Object.keys(back).includes('cause'));
    const group = throughWire(new AggregateError([new RangeError('a'), 'b'], 'all'));
    assert(group instanceof AggregateError);
    assert.deepEqual(
      group.errors.map((inner: Error) => [inner.constructor, inner.message]),
      [
        [RangeError, 'a'],
        [Error, 'b'],
      ],
    );
  });

  it('cuts cyclic and endless cause chains', () => {
    const error: Error = new Error('a');
    error.cause = new Error('b', { cause: error });
    assert.equal((throughWire(error).cause as Error).cause, undefined);
    let chain = new Error('0');
    for (let link = 1; link < 1000; link++) chain = new Error(String(link), { cause: chain });
    const wire = encodeFailure(chain);
    assert.equal(wire.truncated, true);
    assert.equal(decodeFailure(wire).message, '999');
  });

  it('carries no secrets: they are masked by name and in URLs, and what a client sent and got is left out', () => {
    class HttpClient {
      readonly key = 's3cret';
    }
    const http = Object.assign(new Error('Request failed with status code 401'), {
      code: 'ERR_BAD_REQUEST',
      status: 401,
      config: { headers: { Authorization: 'Bearer s3cret' }, data: '{"card":"s3cret"}' },
      request: { path: '/pay', _header: 'Authorization: s3cret' },
      response: { data: { session: 's3cret' }, headers: { 'set-cookie': 's3cret' } },
      headers: { 'x-api-key': 's3cret' },
      detail: { user: 'ada', password: 's3cret', 'api-key': 's3cret', Cookie: 's3cret' },
      url: 'https://ada:s3cret@host/?token=s3cret&page=2',
      token: 's3cret',
      cause: { authorization: 's3cret', request: { a: 's3cret' }, tried: 3 },
    });
    const wire = encodeFailure(http);
    assert(!JSON.stringify({ ...wire, stack: '' }).includes('s3cret'), JSON.stringify(wire));
    assert.deepEqual(wire.fields, {
      status: 401,
      detail: { user: 'ada', password: '********', 'api-key': '********', Cookie: '********' },
      url: 'https://ada:********@host/?token=********&page=2',
      token: '********',
    });
    assert.deepEqual(wire.causeValue, { authorization: '********', tried: 3 });
    const redis = Object.assign(new Error('WRONGTYPE'), { command: { name: 'set', args: ['k', 's3cret'] } });
    assert.equal(encodeFailure(redis).fields, undefined);
    assert(!JSON.stringify(encodeFailure({ secret: 's3cret', client: new HttpClient() })).includes('s3cret'));
    const mail = Object.assign(new Error('refused'), { response: '535 authentication failed' });
    assert.deepEqual(encodeFailure(mail).fields, { response: '535 authentication failed' });
  });

  it('has shallow and small fields', () => {
    const deep = { a: { b: { c: { d: { e: 1 } } } } };
    const wire = encodeFailure(Object.assign(new Error('x'), { deep, list: [{ path: ['a', 'b'] }] }));
    assert.deepEqual(wire.fields, { deep: { a: { b: { c: '[deep]' } } }, list: [{ path: ['a', 'b'] }] });
    const wide = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`field${i}`, 'x'.repeat(2000)]));
    const bounded = encodeFailure(Object.assign(new Error('x'), wide));
    assert(JSON.stringify(bounded.fields).length <= 16_384);
    assert.equal(bounded.truncated, true);
  });

  it('carries NUL and lone surrogates through any engine', () => {
    const error = Object.assign(new Error('nul \0 lone \ud800 sign ␀'), { '\0key': '\udfff' });
    assert(!/\\u0000|\\ud800|\\udfff/.test(JSON.stringify(encodeFailure(error))));
    const back = throughWire(error);
    assert.equal(back.message, error.message);
    assert.equal((back as unknown as Record<string, unknown>)['\0key'], '\udfff');
  });
});

describe('what is thrown that is no proper error', () => {
  it('becomes a readable message', () => {
    assert.match(encodeFailure(undefined).message, /^undefined was thrown/);
    assert.match(encodeFailure(null).message, /^null was thrown/);
    assert.match(encodeFailure(42).message, /^42 was thrown/);
    assert.match(encodeFailure(Symbol('s')).message, /^Symbol\(s\) was thrown/);
    assert.match(encodeFailure(function boom() {}).message, /function \(boom\)/);
    assert.match(encodeFailure({ a: 1 }).message, /\{"a":1\}/);
    assert.match(encodeFailure('').message, /empty string/);
    assert.equal(encodeFailure('text').message, 'text');
    const odd = throughWire({ name: 'HttpError', message: 'gone', status: 410 });
    assert.equal(odd.name, 'HttpError');
    assert.equal(odd.message, 'gone');
    assert.equal((odd as Error & { status?: number }).status, 410);
  });

  it('is bounded, and says that it was cut; the frames of a huge message survive', () => {
    const error = Object.assign(new Error('x'.repeat(5_000_000)), {
      body: 'y'.repeat(5_000_000),
      list: Array(100_000).fill('z'),
      nul: '\0'.repeat(100_000),
      cause: new Error('w'.repeat(5_000_000)),
    });
    const wire = encodeFailure(error);
    assert(Buffer.byteLength(JSON.stringify(wire)) <= 65_536, String(JSON.stringify(wire).length));
    assert.equal(wire.truncated, true);
    assert.match(wire.message, /\[cut; 5000000 characters\]$/);
    assert.match(wire.stack ?? '', /wire-error\.test/);
  });

  it('survives hostile errors', () => {
    const throwing = new Error('x');
    // Formatted now: V8 reads the name when it first builds the stack.
    assert(throwing.stack);
    for (const key of ['name', 'message', 'stack', 'cause', 'code', 'extra', 'constructor']) {
      Object.defineProperty(throwing, key, {
        enumerable: true,
        get() {
          throw new Error('hostile');
        },
      });
    }
    assert.equal(typeof encodeFailure(throwing).message, 'string');
    const { proxy, revoke } = Proxy.revocable(new Error('x'), {});
    revoke();
    assert.equal(typeof encodeFailure(proxy).message, 'string');
    const frozen = Object.freeze(new Error('frozen'));
    assert.equal(throughWire(frozen).message, 'frozen');
    const odd = Object.assign(new Error('x'), { name: 1, message: { a: 1 }, stack: [] });
    assert.deepEqual(encodeFailure(odd), { name: 'Error', message: '{"a":1}' });
  });

  it('does not crash on or get polluted by what a stranger stored', () => {
    for (const wire of [
      undefined,
      null,
      1,
      [],
      {},
      { name: 1, message: 2, fields: [], cause: 3, errors: 'x' },
    ]) {
      assert(decodeFailure(wire) instanceof Error);
    }
    assert.equal(decodeFailure('plain text').message, 'plain text');
    const back = decodeFailure(
      JSON.parse(
        '{"name":"constructor","message":"m","fields":{"__proto__":{"p":1},"constructor":1,"stack":"s"}}',
      ),
    );
    assert.equal((back as Error & { p?: number }).p, undefined);
    assert.equal(back.constructor, Error);
    assert.equal(Object.getPrototypeOf(back), Error.prototype);
  });
});

describe('errorNameOf', () => {
  it("is the error's own name, or its class name where that says only Error", () => {
    assert.equal(errorNameOf(new PaymentError(1)), 'PaymentError');
    assert.equal(errorNameOf(Object.assign(new PaymentError(1), { name: 'Declined' })), 'Declined');
    assert.equal(errorNameOf(new Error('x')), 'Error');
    assert.equal(errorNameOf('x'), 'Error');
    assert.equal(errorNameOf(undefined), 'Error');
  });
});
