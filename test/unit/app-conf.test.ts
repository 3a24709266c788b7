import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac } from 'celeriac';

/** Options with secrets in them, on a broker that nobody asks. */
function configured(): Celeriac {
  return new Celeriac('conf', {
    broker: 'redis://user:hidden@127.0.0.1:6379/3',
    outbox: 'postgres://owner:hidden@db:5432/orders',
    resultExpires: null,
    lockDuration: '10s',
    serializer: { name: 'sealed', encode: (value) => value, decode: (data) => data },
    taskDefaults: { maxRetries: 7, timeLimit: '1m' },
    routes: { 'mail.*': 'mail' },
  });
}

describe('app.conf', () => {
  it('is the options in force with their defaults, by their names', () => {
    const { conf } = configured();
    const { app, prefix, defaultQueue, timezone, resultExpires, failureExpires, lockDuration } = conf;
    assert.deepEqual(
      { app, prefix, defaultQueue, timezone, resultExpires, failureExpires, lockDuration },
      {
        app: 'conf',
        prefix: 'conf',
        defaultQueue: 'celeriac',
        timezone: 'UTC',
        resultExpires: null,
        failureExpires: 7 * 86_400_000,
        lockDuration: 10_000,
      },
    );
    assert.deepEqual([conf.serializer, conf.taskDefaults], ['sealed', { maxRetries: 7, timeLimit: '1m' }]);
  });

  it('shows no secret, cannot be changed, and is JSON', () => {
    const { conf } = configured();
    assert.doesNotMatch(JSON.stringify(conf), /hidden/);
    assert.match(conf.broker, /127\.0\.0\.1:6379/);
    assert.throws(() => Object.assign(conf, { prefix: 'other' }), TypeError);
    assert.throws(() => Object.assign(conf.taskDefaults as object, { maxRetries: 1 }), TypeError);
    assert.deepEqual(JSON.parse(JSON.stringify(conf)), { ...conf });
  });
});

describe('app.taskNames()', () => {
  it('is what is registered here, sorted', () => {
    const app = configured();
    assert.deepEqual(app.taskNames(), []);
    app.task('mail', () => undefined);
    app.task('add', () => undefined);
    assert.deepEqual(app.taskNames(), ['add', 'mail']);
  });
});
