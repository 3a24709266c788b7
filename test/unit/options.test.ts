import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { resolveAppOptions } from '#src/app-options/resolve.js';
import { OptionError } from '#src/errors.js';
import { resolveCall } from '#src/options/call-options.js';
import { toExpiry } from '#src/options/checks.js';
import { checkNames, nearest } from '#src/options/names.js';
import {
  checkTaskOptions,
  resolvePublishPolicy,
  resolveRunPolicy,
  type TaskOptions,
} from '#src/options/task-options.js';

/** The message of the OptionError that `body` throws. */
function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    assert(error instanceof OptionError, String(error));
    return error.message;
  }
  return assert.fail('nothing was refused');
}

describe('An unknown option', () => {
  it('is refused with the nearest known one', () => {
    const hint = (options: object) => refusal(() => checkTaskOptions(options, "@Task('x')"));
    assert.equal(
      hint({ maxRetry: 1 }),
      '@Task(\'x\'): unknown option "maxRetry". Did you mean "maxRetries"?',
    );
    assert.equal(hint({ que: 'a' }), '@Task(\'x\'): unknown option "que". Did you mean "queue"?');
    assert.equal(
      hint({ softtimelimit: 1 }),
      '@Task(\'x\'): unknown option "softtimelimit". Did you mean "softTimeLimit"?',
    );
    assert.equal(
      hint({ autoRetryFor: true }),
      '@Task(\'x\'): unknown option "autoRetryFor". Did you mean "autoretryFor"?',
    );
    assert.equal(
      refusal(() => resolveCall({ countDown: 1 } as never, 0, 'mail.applyAsync')),
      'mail.applyAsync: unknown option "countDown". Did you mean "countdown"?',
    );
    assert.equal(
      refusal(() => resolveAppOptions('shop', { borker: 'redis://x' } as never, {})),
      'new Celeriac(\'shop\'): unknown option "borker". Did you mean "broker"?',
    );
  });

  it('is not taken for one it has little in common with', () => {
    const hint = (options: object) => refusal(() => checkTaskOptions(options, "@Task('x')"));
    assert.match(hint({ trackStarted: true }), /unknown option "trackStarted"\. Known: queue, /);
    assert.match(hint({ bind: true }), /unknown option "bind"\. Known: /);
    assert.match(hint({ default_retry_delay: 1 }), /Did you mean "defaultRetryDelay"\?/);
    assert.match(hint({ soft_time_limit: 1 }), /Did you mean "softTimeLimit"\?/);
  });

  it('far from all of them is refused with the list', () => {
    assert.equal(
      refusal(() => checkNames({ zzzzzz: 1 }, ['alpha', 'beta'], 'here')),
      'here: unknown option "zzzzzz". Known: alpha, beta.',
    );
  });

  it('of a known name is never refused', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), (names) => {
        const given = Object.fromEntries(names.map((name) => [name, 1]));
        checkNames(given, Object.keys(given), 'here');
        assert.equal(
          nearest(names[0] ?? '', names),
          names.find((name) => name.toLowerCase() === (names[0] ?? '').toLowerCase()),
        );
      }),
    );
  });
});

describe('Task options', () => {
  it('have Celery’s defaults', () => {
    const { autoretryFor, ...policy } = resolveRunPolicy({}, {}, 'x');
    assert.equal(autoretryFor(new Error()), false);
    assert.deepEqual(policy, {
      maxRetries: 3,
      defaultRetryDelayMs: 180_000,
      retryBackoffMs: undefined,
      retryBackoffMaxMs: 600_000,
      retryJitter: true,
      retryDelay: undefined,
      softTimeLimitMs: undefined,
      timeLimitMs: undefined,
      storeErrorsEvenIfIgnored: false,
      streamMaxBytes: 8 * 2 ** 20,
      streamMaxChunks: 10_000,
      acksLate: true,
      maxDeliveries: 3,
      throws: [],
      pool: undefined,
      rateLimit: undefined,
      retriesTimeLimit: false,
      concurrency: undefined,
      batch: undefined,
      namedErrors: [],
    });
    assert.deepEqual(resolvePublishPolicy({}, {}, 'x'), {
      queue: undefined,
      priority: 0,
      expires: undefined,
      ignoreResult: false,
      tags: undefined,
      unique: undefined,
      serializer: undefined,
      compress: undefined,
      sensitive: undefined,
      inheritPriority: false,
    });
  });

  it('of the task win over taskDefaults, null included', () => {
    const defaults = { maxRetries: 9, timeLimit: '1m', queue: 'slow', priority: 4 } as const;
    assert.equal(resolveRunPolicy({}, defaults, 'x').maxRetries, 9);
    assert.equal(resolveRunPolicy({ maxRetries: null }, defaults, 'x').maxRetries, Number.POSITIVE_INFINITY);
    assert.equal(resolveRunPolicy({ timeLimit: null }, defaults, 'x').timeLimitMs, undefined);
    assert.deepEqual(resolvePublishPolicy({ queue: 'own' }, defaults, 'x').queue, 'own');
    assert.deepEqual(resolvePublishPolicy({}, defaults, 'x').priority, 4);
  });

  it('that cannot be right are refused with place, value and remedy', () => {
    const text = (options: object) => refusal(() => checkTaskOptions(options, 'task "x"'));
    assert.match(
      text({ maxRetries: -1 }),
      /^task "x": maxRetries must be a whole number of 0 or more, or null for ever; got -1\.$/,
    );
    assert.match(
      text({ softTimeLimit: '2s', timeLimit: '1s' }),
      /^task "x": softTimeLimit \(2000 ms\) is longer than timeLimit \(1000 ms\)/,
    );
    assert.match(text({ throws: ['Mail'] }), /throws\[0\] must be a class that extends Error; got "Mail"\.$/);
    assert.match(
      text({ maxDeliveries: [1, ['a', {}]] }),
      /maxDeliveries must be .*; got \[1, \["a", an object\]\]\.$/,
    );
    assert.match(text({ timeLimit: 0 }), /^task "x": timeLimit: 0 must be longer than 0\.$/);
    assert.match(text({ queue: 'a b' }), /^task "x": "a b" is not a queue name\./);
    assert.match(text({ queue: 'a~b' }), /"a~b" is not a queue name/);
    assert.match(
      text({ priority: 2_097_152 }),
      /priority 2097152 must be a whole number from 0 \(most urgent\) to 2097151/,
    );
    assert.match(
      text({ autoretryFor: 'always' }),
      /autoretryFor must be true, a class that extends Error, a list of such, or a function that answers at once; got "always"/,
    );
    assert.match(
      text({ autoretryFor: [Error, 'Error'] }),
      /autoretryFor\[1\] must be a class that extends Error; got "Error"/,
    );
    assert.match(text({ throws: [class Mail {}] }), /throws\[0\] must be .*; got the class Mail\./);
    assert.match(text({ throws: 5 }), /throws must be a class that extends Error, or a list of such; got 5/);
    assert.match(text({ acksLate: 'yes' }), /acksLate must be true or false; got "yes"/);
    assert.match(text({ maxDeliveries: 0 }), /maxDeliveries must be a whole number of 1 or more; got 0/);
    assert.match(text({ retryDelay: '5s' }), /retryDelay must be a function; got "5s"/);
    assert.match(
      text({ defaultRetryDelay: '10' }),
      /defaultRetryDelay: "10" is not a duration\. Write milliseconds as a number, or '500ms'/,
    );
    assert.match(text({ expires: 'tomorrow' }), /expires: "tomorrow" is not a duration/);
  });

  it('name the error classes that come back as themselves', () => {
    class A extends Error {}
    class B extends Error {}
    assert.deepEqual(resolveRunPolicy({ throws: [A], autoretryFor: [B] }, {}, 'x').namedErrors, [A, B]);
    assert.deepEqual(resolveRunPolicy({ throws: A, autoretryFor: Error }, {}, 'x').namedErrors, [A, Error]);
    assert.deepEqual(resolveRunPolicy({ autoretryFor: true }, {}, 'x').namedErrors, []);
  });

  it('take Error itself, and a single class, which is no predicate', () => {
    class A extends Error {}
    const retries = (autoretryFor: NonNullable<TaskOptions['autoretryFor']>, error: unknown) =>
      resolveRunPolicy({ autoretryFor }, {}, 'x').autoretryFor(error);
    assert.equal(retries([Error], new TypeError()), true);
    assert.equal(retries([Error], 'text'), false);
    assert.equal(retries(A, new A()), true);
    assert.equal(retries(A, new Error()), false);
    assert.equal(retries(Error, new A()), true);
    assert.deepEqual(resolveRunPolicy({ throws: A }, {}, 'x').throws, [A]);
  });

  it('take no predicate whose answer is a promise, which would always be yes', () => {
    const refused = (autoretryFor: unknown) =>
      refusal(() => resolveRunPolicy({ autoretryFor: autoretryFor as never }, {}, 'x'));
    assert.match(
      refused(async () => false),
      /is async\. Give a function that answers at once/,
    );
    assert.match(refused(class Mail {}), /the class Mail does not extend Error/);
    const late = resolveRunPolicy({ autoretryFor: (() => Promise.resolve(false)) as never }, {}, 'x');
    assert.match(
      refusal(() => late.autoretryFor(new Error())),
      /gave a promise/,
    );
  });
});

describe('Call options', () => {
  const now = 1_000_000;
  const call = (options: Parameters<typeof resolveCall>[0]) => resolveCall(options, now, 'x');

  it('countdown and eta give a delay and a due moment; what is past means now', () => {
    assert.deepEqual(
      [call({ countdown: '2s' }).delayMs, call({ countdown: '2s' }).etaAt],
      [2000, now + 2000],
    );
    assert.deepEqual(
      [call({ eta: new Date(now + 5) }).delayMs, call({ eta: new Date(now + 5) }).etaAt],
      [5, now + 5],
    );
    assert.deepEqual([call({ countdown: -5 }).delayMs, call({ countdown: -5 }).etaAt], [0, undefined]);
    assert.deepEqual([call({ eta: new Date(0) }).delayMs, call({ eta: new Date(0) }).etaAt], [0, undefined]);
    assert.match(
      refusal(() => call({ countdown: 1, eta: new Date() })),
      /countdown or eta, not both/,
    );
  });

  it('never wait less than they say', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (eighths) => {
        const countdown = eighths / 8;
        const { delayMs } = call({ countdown });
        assert(Number.isInteger(delayMs) && delayMs >= countdown && delayMs < countdown + 1);
      }),
    );
  });

  it('expires is a moment, or a duration from now', () => {
    assert.equal(toExpiry('1m', now, 'x'), now + 60_000);
    assert.equal(toExpiry(5, now, 'x'), now + 5);
    assert.equal(toExpiry(new Date(7), now, 'x'), 7);
    assert.equal(toExpiry('2030-01-01T00:00:00Z', now, 'x'), Date.UTC(2030, 0, 1));
  });

  it('headers must be an object, shadow and taskId texts', () => {
    assert.match(
      refusal(() => call({ headers: 'x' as never })),
      /headers must be an object/,
    );
    assert.match(
      refusal(() => call({ headers: [1] as never })),
      /headers must be an object/,
    );
    assert.match(
      refusal(() => call({ shadow: 1 as never })),
      /shadow must be a string/,
    );
    assert.match(
      refusal(() => call({ taskId: 7 as never })),
      /taskId must be a non-empty string, not 7/,
    );
  });
});

describe('App options', () => {
  it('come from the environment where they are not given, and from defaults else', () => {
    const env = { CELERIAC_BROKER_URL: 'redis://env:1/0', CELERIAC_PREFIX: 'from-env' };
    assert.deepEqual(
      [resolveAppOptions('a', {}, env).broker, resolveAppOptions('a', {}, env).prefix],
      ['redis://env:1/0', 'from-env'],
    );
    const given = resolveAppOptions('a', { broker: 'redis://own', prefix: 'own' }, env);
    assert.deepEqual([given.broker, given.prefix], ['redis://own', 'own']);
    const bare = resolveAppOptions('a', {}, {});
    assert.deepEqual(
      [
        bare.broker,
        bare.prefix,
        bare.defaultQueue,
        bare.resultExpiresMs,
        bare.failureExpiresMs,
        bare.publishRetryMs,
        bare.lockDurationMs,
      ],
      ['redis://127.0.0.1:6379/0', 'a', 'celeriac', 86_400_000, 604_800_000, 1000, 5000],
    );
  });
});
