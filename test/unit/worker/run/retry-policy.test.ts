import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MaxRetriesExceededError, OptionError } from '#src/errors.js';
import { resolveRunPolicy, type TaskOptions } from '#src/options/task-options.js';
import {
  afterBrokenRule,
  afterError,
  afterRetryRequest,
  backoffMs,
  delayMs,
  type RetryCase,
  RetryRequest,
  retryRequest,
} from '#src/worker/run/retry-policy.js';

class Flaky extends Error {}
class VeryFlaky extends Flaky {}
class Fatal extends Flaky {}

function retryCase(options: TaskOptions = {}, rest: Partial<RetryCase> = {}): RetryCase {
  return {
    taskName: 'mail',
    policy: resolveRunPolicy(options, {}, 'test'),
    retries: 0,
    maxRetries: undefined,
    timezone: 'UTC',
    now: 1_000_000,
    random: () => 0.5,
    ...rest,
  };
}

describe('Backoff', () => {
  const start = fc.integer({ min: 1, max: 60_000 });
  const cap = fc.integer({ min: 1, max: 86_400_000 });
  const retries = fc.nat(2000);

  it('stays between nothing and its cap', () => {
    fc.assert(
      fc.property(start, retries, cap, fc.double({ min: 0, max: 1, noNaN: true }), (s, n, c, share) => {
        const delay = backoffMs(s, n, c, share);
        assert(Number.isInteger(delay) && delay >= 0 && delay <= c, `${delay}`);
      }),
    );
  });

  it('never falls from one retry to the next, and doubles until the cap', () => {
    fc.assert(
      fc.property(start, retries, cap, (s, n, c) => {
        const [now, next] = [backoffMs(s, n, c, 1), backoffMs(s, n + 1, c, 1)];
        assert(next >= now);
        assert(next === c || next === now * 2);
      }),
    );
  });

  it('with jitter stays within the delay without it', () => {
    fc.assert(
      fc.property(
        start,
        retries,
        cap,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (s, n, c, share) => {
          assert(backoffMs(s, n, c, share) <= backoffMs(s, n, c, 1));
        },
      ),
    );
  });

  it('starts at a second, or where it was told, and is capped at ten minutes unless told', () => {
    const plain = { retryBackoff: true, retryJitter: false };
    const delays = (options: TaskOptions) =>
      [0, 1, 2, 3, 20].map((n) => delayMs(new Error(), retryCase(options, { retries: n })));
    assert.deepEqual(delays(plain), [1000, 2000, 4000, 8000, 600_000]);
    assert.deepEqual(delays({ ...plain, retryBackoff: '3s' }), [3000, 6000, 12_000, 24_000, 600_000]);
    assert.deepEqual(delays({ ...plain, retryBackoffMax: '5s' }), [1000, 2000, 4000, 5000, 5000]);
  });

  it('is jittered by default', () => {
    assert.equal(delayMs(new Error(), retryCase({ retryBackoff: true }, { retries: 3 })), 4000);
  });
});

describe('The delay of a retry', () => {
  it('is three minutes by default, or the task’s own', () => {
    assert.equal(delayMs(new Error(), retryCase()), 180_000);
    assert.equal(delayMs(new Error(), retryCase({ defaultRetryDelay: '5s' })), 5000);
  });

  it('is what retryDelay says, which sees the error and the retries so far', () => {
    const error = new Flaky('x');
    const seen: unknown[] = [];
    const options: TaskOptions = {
      retryBackoff: true,
      retryDelay: (...args) => {
        seen.push(...args);
        return '7s';
      },
    };
    assert.equal(delayMs(error, retryCase(options, { retries: 2 })), 7000);
    assert.deepEqual(seen, [error, 2]);
  });

  it('refuses a retryDelay that gives no duration, naming the task', () => {
    const options = { retryDelay: () => 'soon' };
    assert.throws(
      () => delayMs(new Error(), retryCase(options)),
      (error: Error) => {
        assert(error instanceof OptionError);
        assert.match(error.message, /task "mail": retryDelay\(\): "soon" is not a duration/);
        return true;
      },
    );
    assert.throws(() => delayMs(new Error(), retryCase({ retryDelay: () => -1 })), OptionError);
  });
});

describe('After an error', () => {
  const flaky = new Flaky('x');

  it('nothing is retried unless the task says so', () => {
    assert.deepEqual(afterError(flaky, retryCase()), { kind: 'failure', error: flaky });
  });

  it('autoretryFor takes true, classes with their subclasses, and a predicate', () => {
    const retried = (options: TaskOptions, error: unknown) =>
      afterError(error, retryCase(options)).kind === 'retry';
    assert.equal(retried({ autoretryFor: true }, 'a string'), true);
    assert.equal(retried({ autoretryFor: [Flaky] }, flaky), true);
    assert.equal(retried({ autoretryFor: [Flaky] }, new VeryFlaky()), true);
    assert.equal(retried({ autoretryFor: [Flaky] }, new Error('x')), false);
    assert.equal(retried({ autoretryFor: (error) => error === flaky }, flaky), true);
    assert.equal(retried({ autoretryFor: (error) => error === flaky }, new Flaky()), false);
  });

  it('dontAutoretryFor takes the same and wins', () => {
    const retried = (options: TaskOptions, error: unknown) =>
      afterError(error, retryCase(options)).kind === 'retry';
    assert.equal(retried({ autoretryFor: [Flaky], dontAutoretryFor: [Fatal] }, new Fatal()), false);
    assert.equal(retried({ autoretryFor: [Flaky], dontAutoretryFor: [Fatal] }, flaky), true);
    assert.equal(retried({ autoretryFor: true, dontAutoretryFor: () => true }, flaky), false);
  });

  it('there are three retries by default, as many as maxRetries says, or no end', () => {
    const kinds = (options: TaskOptions, counts: number[], maxRetries?: number) =>
      counts.map(
        (retries) =>
          afterError(flaky, retryCase({ autoretryFor: true, ...options }, { retries, maxRetries })).kind,
      );
    assert.deepEqual(kinds({}, [0, 2, 3]), ['retry', 'retry', 'failure']);
    assert.deepEqual(kinds({ maxRetries: 1 }, [0, 1]), ['retry', 'failure']);
    assert.deepEqual(kinds({ maxRetries: 0 }, [0]), ['failure']);
    assert.deepEqual(kinds({ maxRetries: null }, [10_000]), ['retry']);
    assert.deepEqual(kinds({ maxRetries: 9 }, [0, 1], 1), ['retry', 'failure']);
    assert.deepEqual(kinds({ maxRetries: 0 }, [50], Number.POSITIVE_INFINITY), ['retry']);
  });
});

describe('After this.retry()', () => {
  const after = (options: ConstructorParameters<typeof RetryRequest>[0], c = retryCase()) =>
    afterRetryRequest(new RetryRequest(options), c);

  it('the delay is the countdown, the eta, or the task’s own rule', () => {
    const delay = (options: Parameters<typeof after>[0], c?: RetryCase) => {
      const outcome = after(options, c);
      assert(outcome.kind === 'retry');
      return outcome.delayMs;
    };
    assert.equal(delay({ countdown: '4s' }), 4000);
    assert.equal(delay({ eta: new Date(1_000_000 + 2500) }), 2500);
    assert.equal(delay({ eta: new Date(5) }), 0, 'a moment that has passed means now');
    assert.equal(delay({}), 180_000);
    assert.equal(delay({}, retryCase({ retryBackoff: '2s', retryJitter: false }, { retries: 1 })), 4000);
  });

  it('a request without error fails with MaxRetriesExceededError when they are used up, one with it with that error', () => {
    const exhausted = retryCase({}, { retries: 3 });
    const none = after({}, exhausted);
    assert(none.kind === 'failure' && none.error instanceof MaxRetriesExceededError);
    assert.match(none.error.message, /mail .*3 of at most 3/);
    const cause = new Error('why');
    assert.deepEqual(after({ error: cause }, exhausted), { kind: 'failure', error: cause });
  });

  it('the request’s own maxRetries wins over the call’s and the task’s; null means for ever', () => {
    assert.equal(after({ maxRetries: 5 }, retryCase({}, { retries: 3 })).kind, 'retry');
    assert.equal(after({ maxRetries: 1 }, retryCase({}, { retries: 1 })).kind, 'failure');
    assert.equal(after({ maxRetries: null }, retryCase({ maxRetries: 0 }, { retries: 999 })).kind, 'retry');
    assert.equal(after({}, retryCase({ maxRetries: 9 }, { retries: 1, maxRetries: 1 })).kind, 'failure');
  });
});

describe('A retry rule that throws', () => {
  const broken = new RangeError('broken rule');

  it('leaves the task its own error', () => {
    const own = new Flaky('own');
    assert.deepEqual(afterBrokenRule(own, broken), { kind: 'failure', error: own });
    assert.deepEqual(afterBrokenRule(new RetryRequest({ error: own }), broken), {
      kind: 'failure',
      error: own,
    });
  });

  it('is the error of a task that has none', () => {
    assert.deepEqual(afterBrokenRule(new RetryRequest({}), broken), { kind: 'failure', error: broken });
  });
});

describe('A wrong option of this.retry()', () => {
  const refused = (options: object): OptionError => {
    try {
      retryRequest(options as never);
    } catch (error) {
      if (error instanceof OptionError) return error;
    }
    return assert.fail('was taken');
  };

  it('keeps the error it was to hand on', () => {
    const own = new RangeError('own');
    assert.equal(refused({ exc: own }).cause, own);
    assert.match(refused({ exc: own }).message, /unknown option "exc"\. Its name here is "error"\./);
    assert.equal(refused({ error: own, countdown: 'soon' }).cause, own);
    assert.equal(refused(own).cause, own);
    assert.equal('cause' in refused({ countdown: 'soon' }), false);
  });

  it('that is undefined is absent', () => {
    assert.deepEqual(
      retryRequest({ exc: undefined, countdown: undefined, error: null } as never).options.error,
      null,
    );
  });
});
