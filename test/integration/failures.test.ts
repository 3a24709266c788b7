import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCeleriacError, NotRegisteredError, TaskFailedError } from 'celeriac';
import { onEveryEngine, rejection, until } from '../support/app.js';

class QuotaError extends Error {
  readonly code = 'QUOTA';
  constructor(
    message: string,
    readonly left: number,
  ) {
    super(message);
  }
}
class UnknownHere extends Error {
  override name = 'UnknownHere';
  detail = { deep: [1, 2] };
}

function cyclic(): Error {
  const error: Error & { self?: unknown } = new Error('cyclic');
  error.self = { error };
  error.cause = error;
  return error;
}

function hostile(): Error {
  const error = new Error('hostile');
  Object.defineProperty(error, 'trap', {
    enumerable: true,
    get() {
      throw new Error('do not look');
    },
  });
  return Object.freeze(error);
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** What tasks throw, and what must be read of it afterwards. */
const throws: readonly [what: string, make: () => unknown, message: RegExp | string][] = [
  ['undefined', () => undefined, /undefined was thrown/],
  ['null', () => null, /null was thrown/],
  ['a string', () => 'just text', /just text/],
  ['an empty string', () => '', /empty string/],
  ['a number', () => 42, /42/],
  ['NaN', () => Number.NaN, /NaN/],
  ['a BigInt', () => 10n, /10/],
  ['a symbol', () => Symbol('s'), /Symbol\(s\)/],
  ['a function', () => () => 1, /function/],
  ['a plain object', () => ({ code: 7, why: 'plain' }), /plain/],
  ['an array', () => [1, 2], /1,\s*2/],
  ['an error without a message', () => new Error(), /Error/],
  ['an error that holds itself', cyclic, /cyclic/],
  ['a frozen error with a throwing getter', hostile, /hostile/],
  ['a revoked proxy', revoked, /thrown/],
  ['an error of 5 MB', () => new Error('x'.repeat(5_000_000)), /xxxx/],
  ['NUL in the message', () => new Error('a\u0000b'), 'a\u0000b'],
  ['lone surrogates in the message', () => new Error('a\ud800b\udc00'), /a\ud800b\udc00/],
  [
    'NUL in the name and the stack',
    () => Object.assign(new Error('n'), { name: 'N\u0000', stack: 'N\u0000: n\ud800' }),
    /n/,
  ],
];

describe('A task that throws', () => {
  onEveryEngine(
    (ground) => {
      it('ends in FAILURE with a readable message, whatever it threw, and its worker goes on', async (t) => {
        const { app, worker } = ground.app(t);
        const task = app.task('throws', { maxRetries: 0 }, (index: number) => {
          throw throws[index]?.[1]();
        });
        const fine = app.task('fine', () => 'fine');
        await worker();
        const sent = await Promise.all(throws.map((_, index) => task.delay(index)));
        for (const [index, [what, , message]] of throws.entries()) {
          const error = await rejection(sent[index]?.get({ timeout: '20s' }) ?? Promise.resolve());
          assert(error instanceof TaskFailedError, `${what}: ${String(error)}`);
          if (typeof message === 'string') assert(error.message.includes(message), what);
          else assert.match(error.message, message, what);
          assert(error.cause instanceof Error, what);
          assert.equal(await sent[index]?.status, 'FAILURE', what);
        }
        assert.equal(await (await fine.delay()).get({ timeout: '20s' }), 'fine');
      });

      it('is retried for the same odd values as for errors', async (t) => {
        const { app, worker } = ground.app(t);
        const task = app.task(
          'odd',
          { autoretryFor: true, defaultRetryDelay: 1, maxRetries: 1 },
          function (index: number) {
            if (this.request.retries === 0) throw throws[index]?.[1]();
            return 'second try';
          },
        );
        await worker();
        const sent = await Promise.all(throws.map((_, index) => task.delay(index)));
        for (const result of sent) assert.equal(await result.get({ timeout: '20s' }), 'second try');
      });

      it('gives back the error of its own class where that is known: by throws, autoretryFor or register', async (t) => {
        const { app, worker, twin } = ground.app(t);
        const body = () => {
          throw new QuotaError('used up', 3);
        };
        const unknown = app.task('unknown', body);
        await worker();
        const plain = (await rejection((await unknown.delay()).get({ timeout: '20s' }))) as TaskFailedError;
        assert.equal(plain.cause instanceof QuotaError, false);
        assert.equal(plain.errorName, 'QuotaError');
        assert.equal((plain.cause as QuotaError).code, 'QUOTA');
        assert.equal((plain.cause as QuotaError).left, 3);
        const byThrows = app.task('by-throws', { throws: [QuotaError] }, body);
        const known = (await rejection((await byThrows.delay()).get({ timeout: '20s' }))) as TaskFailedError;
        assert(known.cause instanceof QuotaError);
        assert.equal(known.cause.left, 3);
        assert.equal(known.cause.message, 'used up');
        const elsewhere = twin();
        elsewhere.errors.register(QuotaError);
        const sent = await elsewhere.sendTask('unknown');
        const registered = await rejection(sent.get({ timeout: '20s' }));
        assert(registered.cause instanceof QuotaError);
        const third = twin();
        third.task('other', { autoretryFor: [QuotaError] }, body);
        assert((await rejection(third.result(sent.id).get())).cause instanceof QuotaError);
      });

      it('gives back built-in errors, their causes and their fields', async (t) => {
        const { app, worker } = ground.app(t);
        const task = app.task('chain', () => {
          const root = Object.assign(new SyntaxError('root'), { line: 7 });
          throw new TypeError('top', { cause: new UnknownHere('middle', { cause: root }) });
        });
        const many = app.task('many', () => {
          throw new AggregateError([new RangeError('one'), 'two'], 'several');
        });
        await worker();
        const { cause } = await rejection((await task.delay()).get({ timeout: '20s' }));
        assert(cause instanceof TypeError && cause.cause instanceof Error);
        assert.equal(cause.cause.name, 'UnknownHere');
        assert.deepEqual((cause.cause as UnknownHere).detail, { deep: [1, 2] });
        assert(cause.cause.cause instanceof SyntaxError);
        assert.equal((cause.cause.cause as unknown as { line: number }).line, 7);
        const aggregate = (await rejection((await many.delay()).get({ timeout: '20s' }))).cause;
        assert(aggregate instanceof AggregateError);
        assert(aggregate.errors[0] instanceof RangeError);
        assert.match((aggregate.errors[1] as Error).message, /two/);
      });

      it('is logged with its error, an expected one as information without a stack', async (t) => {
        const { app, worker, lines } = ground.app(t);
        const task = app.task('logged', { throws: [QuotaError] }, (expected: boolean) => {
          throw expected ? new QuotaError('expected', 0) : new Error('surprise');
        });
        await worker();
        const surprise = await task.delay(false);
        await rejection(surprise.get({ timeout: '20s' }));
        const expected = await task.delay(true);
        await rejection(expected.get({ timeout: '20s' }));
        const lineOf = (taskId: string) => lines.find(({ fields }) => fields.taskId === taskId);
        assert.equal(lineOf(surprise.id)?.level, 'error');
        assert.equal((lineOf(surprise.id)?.fields.error as Error | undefined)?.message, 'surprise');
        assert.equal(lineOf(expected.id)?.level, 'info');
        assert.doesNotMatch(JSON.stringify(lineOf(expected.id)), /at .*failures\.test/);
      });
    },
    ['redis', 'memory', 'postgres'],
  );
});

describe('A task nobody knows', () => {
  onEveryEngine((ground) => {
    it('is handed back while a deploy may be under way, then fails with NotRegisteredError and the nearest name', async (t) => {
      const { app, worker } = ground.app(t, { unknownTaskGrace: 300 });
      app.task('send_mail', () => 1);
      await worker();
      const sent = await app.sendTask('send_mial');
      const error = await rejection(sent.get({ timeout: '20s' }));
      assert(error.cause instanceof NotRegisteredError, String(error.cause));
      assert.match(error.cause.message, /send_mial/);
      assert.match(error.cause.message, /Did you mean "send_mail"/);
      assert(isCeleriacError(error.cause, 'NOT_REGISTERED'));
      assert.equal((await sent.snapshot()).retries, 0);
    });

    it('runs when somebody who knows it comes in time', async (t) => {
      const { app, worker, twin, lines } = ground.app(t);
      app.task('known', () => 1);
      await worker({ name: 'old' });
      const sent = await app.sendTask('brand_new');
      const met = () => lines.filter(({ message }) => message.startsWith('unknown task'));
      await until(() => met().length > 0, 'a first try by the old worker');
      const deployed = twin();
      deployed.task('brand_new', () => 'ran');
      await deployed.worker({ name: 'new', concurrency: 2 }).start();
      assert.equal(await sent.get({ timeout: '30s' }), 'ran');
      assert.equal(met().length, 1);
      assert.equal((await sent.snapshot()).deliveries, 1, 'nobody began it but the new worker');
    });
  });
});
