/** `undefined` is the same as absent, and null is refused where it means nothing: for every option of every table. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, crontab, group, OptionError, Worker } from 'celeriac';
import { testing } from 'celeriac/testing';
import { resolveAppOptions } from '#src/app-options/resolve.js';
import { overRoute, resolveCall } from '#src/options/call-options.js';
import { merge } from '#src/options/merge.js';
import { checkTaskOptions, resolvePublishPolicy, resolveRunPolicy } from '#src/options/task-options.js';
import { resolveWorkerOptions } from '#src/worker/worker-options.js';

const CALL = [
  'queue',
  'priority',
  'expires',
  'ignoreResult',
  'unique',
  'countdown',
  'eta',
  'taskId',
  'headers',
];
const LIMITS = ['maxRetries', 'softTimeLimit', 'timeLimit'];
const CALLS = [...CALL, ...LIMITS, 'link', 'linkError', 'shadow'];
const TASKS = [
  ...['queue', 'priority', 'expires', 'ignoreResult', 'unique', 'args', 'schedule', ...LIMITS],
  ...['autoretryFor', 'dontAutoretryFor', 'defaultRetryDelay', 'retryBackoff', 'retryBackoffMax'],
  ...['retryJitter', 'retryDelay', 'storeErrorsEvenIfIgnored', 'acksLate', 'maxDeliveries', 'throws'],
  ...['pool', 'rateLimit', 'concurrency'],
];
const APPS = [
  ...['broker', 'prefix', 'defaultQueue', 'timezone', 'resultExpires', 'failureExpires', 'serializer'],
  ...['logger', 'container', 'publishRetry', 'maxPayloadBytes', 'lockDuration', 'blockedLoopTimeout'],
  ...['unknownTaskGrace', 'migrate', 'taskAlwaysEager', 'taskEagerPropagates', 'telemetry', 'taskDefaults'],
  'routes',
];
const WORKERS = [
  ...['queues', 'concurrency', 'autoscale', 'name', 'logger', 'softTimeLimit', 'timeLimit', 'health'],
  ...['shutdownTimeout', 'pool', 'module', 'maxTasksPerChild', 'maxMemoryPerChild'],
];

/** Reads one table's options. */
type Read = (options: object) => unknown;

const TABLES: readonly (readonly [string, readonly string[], readonly string[], Read])[] = [
  ['a call', CALLS, [...LIMITS, 'unique'], (options) => resolveCall(options, 0, 'x')],
  ['a task', TASKS, [...LIMITS, 'unique', 'rateLimit', 'concurrency'], (options) => readTask(options)],
  ['an app', APPS, ['resultExpires', 'failureExpires'], (options) => readApp(options)],
  ['a worker', WORKERS, [], (options) => resolveWorkerOptions(options, 'celeriac')],
];

describe('An option that is undefined', () => {
  for (const [what, names, , read] of TABLES)
    it(`of ${what} is one that is not there`, () => {
      const absent = JSON.stringify(read({}));
      for (const name of names) assert.equal(JSON.stringify(read({ [name]: undefined })), absent, name);
    });

  it('leaves what stands below it: defaults, routes, signatures, wholes', async (t) => {
    assert.deepEqual(merge<object>({ a: 1, b: 2 }, undefined, { a: undefined, b: null }), { a: 1, b: null });
    assert.equal(
      resolveRunPolicy({ maxRetries: undefined } as never, { maxRetries: 10 }, 'x').maxRetries,
      10,
    );
    assert.equal(resolvePublishPolicy({ queue: undefined } as never, { queue: 'slow' }, 'x').queue, 'slow');
    assert.deepEqual(overRoute({ queue: 'mail' }, { queue: undefined } as never), { queue: 'mail' });

    const app = new Celeriac('absent', { broker: 'memory://', routes: { 'mail.*': 'mail' } });
    t.after(() => app.close());
    const kit = testing(app, { mode: 'inline' });
    const send = app.task('mail.send', async (to: string) => to);
    await send.applyAsync(['a'], { queue: undefined } as never);
    const urgent = send.signature(['b'], { queue: 'urgent' }).set({ queue: undefined } as never);
    await urgent.applyAsync([], { queue: undefined } as never);
    const whole = group(urgent).set({ queue: undefined } as never);
    await whole.applyAsync([], { queue: undefined, priority: undefined } as never);
    assert.deepEqual(
      kit.sent(send).map(({ queue }) => queue),
      ['mail', 'urgent', 'urgent'],
    );
    assert.deepEqual(whole.toJSON(), group(urgent).toJSON());
    const worker = app.worker({ processes: undefined, queues: undefined } as never);
    assert(worker instanceof Worker);
  });
});

describe('An option that is null', () => {
  for (const [what, names, nullable, read] of TABLES)
    it(`of ${what} is refused, unless it means something`, () => {
      for (const name of names)
        if (nullable.includes(name)) read({ [name]: null });
        else assert.throws(() => read({ [name]: null }), { name: OptionError.prototype.name }, name);
    });

  it('keeps results for ever, and reads as null again', (t) => {
    const { resultExpiresMs, failureExpiresMs } = resolveAppOptions(
      'x',
      { resultExpires: null, failureExpires: null },
      {},
    );
    assert(resultExpiresMs > 36_500 * 86_400_000 - 86_400_000 && resultExpiresMs === failureExpiresMs);
    const app = new Celeriac('for-ever', { broker: 'memory://', resultExpires: null });
    t.after(() => app.close());
    assert.throws(() => app.worker(null as never), OptionError);
    assert.throws(() => crontab({ minute: null } as never), OptionError);
  });
});

function readTask(options: object): unknown {
  checkTaskOptions(options, 'x');
  return [resolvePublishPolicy(options, {}, 'x'), resolveRunPolicy(options, {}, 'x')];
}

function readApp(options: object): unknown {
  const { logger: _, container: __, ...config } = resolveAppOptions('x', options, {});
  return config;
}
