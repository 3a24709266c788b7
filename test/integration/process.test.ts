import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { BrokerError, BrokerUnavailableError, Celeriac, group, isCeleriacError, OptionError } from 'celeriac';
import {
  onEveryEngine,
  rejection,
  startProgram,
  testApp,
  uniqueName,
  until,
  within,
} from '../support/app.js';
import { startRedis } from '../support/redis.js';
import { freePort } from '../support/servers.js';

const program = (name: string) => new URL(`./programs/${name}.js`, import.meta.url);

describe('A process that uses celeriac', () => {
  onEveryEngine(
    (ground) => {
      it('and only calls tasks exits by itself when it is done', async (t) => {
        const { app, prefix } = ground.app(t);
        await app.migrate();
        const script = startProgram(t, program('only-calls'), [ground.url, prefix]);
        assert.equal(await within(script.ended, 'the end of the script'), 0, script.output());
        assert.deepEqual(JSON.parse(script.output()), {
          state: 'PENDING',
          unknown: false,
          patience: 'ResultTimeoutError',
        });
      });
    },
    ['redis', 'postgres'],
  );

  const asked = {
    pong: { here: 'pong' },
    stats: ['here'],
    active: [1],
    limited: ['here'],
    again: [],
    end: 'TaskRevokedError',
  };

  onEveryEngine(
    (ground) => {
      it('and asks, steers and revokes exits by itself when it is done', async (t) => {
        const { app, prefix } = ground.app(t);
        app.task('hang', async function () {
          await new Promise((resolve) => this.signal.addEventListener('abort', resolve));
        });
        await app.worker({ name: 'here' }).start();
        const script = startProgram(t, program('only-asks'), [ground.url, prefix]);
        assert.equal(await within(script.ended, 'the end of the script'), 0, script.output());
        assert.deepEqual(JSON.parse(script.output()), asked);
      });
    },
    ['redis', 'postgres'],
  );

  onEveryEngine((ground) => {
    it('and had a worker, which it stopped, exits by itself when it is done', async (t) => {
      const { prefix } = ground.app(t);
      const script = startProgram(t, program('only-asks'), [ground.url, prefix, 'own-worker']);
      assert.equal(await within(script.ended, 'the end of the script'), 0, script.output());
      assert.deepEqual(JSON.parse(script.output().trim().split('\n').at(-1) ?? ''), asked);
    });
  });

  it('exits by itself though its broker died right after it asked', async (t) => {
    const server = await startRedis();
    t.after(() => within(server.close(), 'the end of the server'));
    const script = startProgram(t, program('asks-last'), [server.url, uniqueName(), `${server.pid}`]);
    assert.equal(await within(script.ended, 'the end of the script'), 0, script.output());
    assert.match(script.output(), /^\{\}/);
  });

  it('opens no socket and starts no timer or thread by importing it and making an app', async (t) => {
    const port = await freePort();
    for (const broker of [
      `redis://127.0.0.1:${port}/0`,
      `postgres://u:p@127.0.0.1:${port}/db`,
      'memory://idle',
    ]) {
      const script = startProgram(t, program('idle'), [broker]);
      assert.equal(await within(script.ended, 'the end of the script'), 0, script.output());
      const { resources } = JSON.parse(script.output()) as { resources: string[] };
      assert.deepEqual(resources, [], broker);
    }
  });

  it('has not loaded class-validator, PostgreSQL or the command line after the import', async (t) => {
    const script = startProgram(t, program('idle'), ['redis://127.0.0.1:1/0']);
    assert.equal(await within(script.ended, 'the end of the script'), 0, script.output());
    assert.deepEqual((JSON.parse(script.output()) as { heavy: string[] }).heavy, []);
  });

  it('can hold two apps that know nothing of each other', async (t) => {
    const server = await startRedis();
    const one = testApp(t, { broker: server.url });
    const two = testApp(t, { broker: server.url });
    t.after(() => within(server.close(), 'the end of the server'));
    const first = one.app.task('same', () => 'one');
    const second = two.app.task('same', () => 'two');
    await Promise.all([one.worker(), two.worker()]);
    assert.equal(await (await first.delay()).get({ timeout: '20s' }), 'one');
    assert.equal(await (await second.delay()).get({ timeout: '20s' }), 'two');
    const sent = await first.applyAsync([], { taskId: 'shared-id' });
    await sent.get({ timeout: '20s' });
    assert.equal(await two.app.result('shared-id').exists(), false);
    await one.app.close();
    assert.equal(await (await second.delay()).get({ timeout: '20s' }), 'two');
  });
});

describe('A broker that is away', () => {
  it('refuses a call with BrokerUnavailableError, which names host and port and carries the task id', async (t) => {
    const server = await startRedis();
    t.after(() => within(server.close(), 'the end of the server'));
    await server.stop();
    const { app, worker } = testApp(t, {
      broker: `redis://user:secret@127.0.0.1:${server.port}/0`,
      publishRetry: 200,
    });
    const task = app.task('add', (a: number, b: number) => a + b);
    const error = await rejection(task.delay(1, 2));
    assert(error instanceof BrokerUnavailableError);
    assert(isCeleriacError(error, 'BROKER_UNAVAILABLE'));
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${server.port}`));
    assert.match(error.message, /CELERIAC_BROKER_URL|broker/);
    assert.doesNotMatch(error.message, /secret/);
    assert.doesNotMatch(error.address, /secret/);
    assert(error.taskId !== undefined && error.taskId !== '');
    const own = await rejection(task.applyAsync([1, 2], { taskId: 'mine' }));
    assert.equal((own as BrokerUnavailableError).taskId, 'mine');
    for (const call of [
      () => app.result('x').get(),
      () => app.result('x').status,
      () => app.control.ping(),
      () => worker(),
    ]) {
      const refused = await rejection(call() as Promise<unknown>);
      assert(refused instanceof BrokerUnavailableError, String(call));
      // Said once, though it passed through several hands.
      assert.equal(refused.message.match(/cannot be reached/g)?.length, 1, refused.message);
    }
    await app.close();
  });

  it('that was there before refuses with the task id, too, whatever of the call met that', async (t) => {
    const server = await startRedis();
    t.after(() => within(server.close(), 'the end of the server'));
    const { app } = testApp(t, { broker: server.url, publishRetry: 200 });
    const task = app.task('add', (a: number, b: number) => a + b);
    await task.delay(1, 2);
    await server.stop();
    const refusedFor = async (call: Promise<unknown>) => {
      const error = await rejection(call);
      assert(error instanceof BrokerUnavailableError, String(error));
      return error.taskId;
    };
    const own = { taskId: 'mine' };
    assert.equal(await refusedFor(task.applyAsync([1, 2], own)), 'mine');
    assert.equal(await refusedFor(task.applyAsync([1, 2], { ...own, unique: { mode: 'reject' } })), 'mine');
    assert.notEqual(await refusedFor(task.applyAsync([1, 2], { unique: { mode: 'reject' } })), undefined);
    assert.notEqual(await refusedFor(group([task.s(1, 2).set(own), task.s(1, 2)]).delay()), undefined);
    await app.close();
  });

  it('and comes back takes the refused call again under the id it had, once', async (t) => {
    const server = await startRedis();
    t.after(() => within(server.close(), 'the end of the server'));
    const { app, worker, lines } = testApp(t, { broker: server.url, publishRetry: 300 });
    let runs = 0;
    const task = app.task('add', (a: number, b: number) => {
      runs++;
      return a + b;
    });
    await worker();
    assert.equal(await (await task.delay(1, 1)).get({ timeout: '20s' }), 2);
    await server.stop();
    const error = await rejection(task.delay(2, 2));
    assert(error instanceof BrokerUnavailableError, String(error));
    const { taskId = '' } = error;
    const custom = await rejection(task.applyAsync([3, 3], { taskId: 'custom' }));
    assert(custom instanceof BrokerUnavailableError);
    await server.start();
    const again = await until(
      () => task.applyAsync([2, 2], { taskId }).catch(() => false as const),
      'the broker to take calls again',
    );
    assert(again !== false);
    assert.equal(again.id, taskId);
    assert.equal(await again.get({ timeout: '30s' }), 4);
    assert.equal(await (await task.applyAsync([3, 3], { taskId: 'custom' })).get({ timeout: '30s' }), 6);
    assert.equal(runs, 3);
    assert(lines.some(({ level, message }) => level === 'error' && /lost the connection/.test(message)));
    assert(lines.some(({ message }) => /is back/.test(message)));
  });

  it('wakes a get() that waited through the outage', async (t) => {
    const server = await startRedis(['--save', '1 0', '--appendonly', 'yes', '--appendfsync', 'always']);
    t.after(() => within(server.close(), 'the end of the server'));
    const { app, twin } = testApp(t, { broker: server.url });
    const task = app.task('later', () => 'after the outage');
    const sent = await task.delay();
    const waiting = twin().result(sent.id).get({ timeout: '40s' });
    await server.stop();
    await server.start();
    const other = twin();
    other.task('later', () => 'after the outage');
    await other.worker({ concurrency: 1 }).start();
    assert.equal(await waiting, 'after the outage');
  });

  it('says at once that it is a wrong password, without showing it', async (t) => {
    const server = await startRedis(['--requirepass', 'right']);
    t.after(() => within(server.close(), 'the end of the server'));
    for (const login of ['', ':wrongpass@', 'nobody:wrongpass@']) {
      const { app } = testApp(t, {
        broker: `redis://${login}127.0.0.1:${server.port}/0`,
        publishRetry: '1h',
      });
      const error = await within(rejection(app.sendTask('x')), 'the refusal');
      assert(error instanceof BrokerError && !(error instanceof BrokerUnavailableError), String(error));
      assert.match(error.message, /refuses.*[^.]\. Check user and password/s);
      assert.doesNotMatch(error.message, /wrongpass/);
      // As a log or an error report would show it, causes and all.
      assert.doesNotMatch(
        inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error),
        /wrongpass/,
      );
    }
    const { app } = testApp(t, { broker: `redis://:right@127.0.0.1:${server.port}/0` });
    await app.sendTask('x');
  });
});

describe('An embedded broker', () => {
  it('is never taken for one that is away, however slow this process is', async (t) => {
    const { app, worker } = testApp(t, { broker: `memory://${uniqueName()}`, publishRetry: 1 });
    const task = app.task('double', (n: number) => n * 2);
    const sent = await Promise.all(Array.from({ length: 50 }, (_, n) => task.delay(n)));
    await worker();
    const values = await Promise.all(sent.map((result) => result.get({ timeout: '60s' })));
    assert.deepEqual(
      values,
      sent.map((_, n) => n * 2),
    );
  });
});

describe('An app', () => {
  it('refuses misspelt and wrong options where they are written', () => {
    const refused = (options: object, pattern: RegExp) =>
      assert.throws(
        () => new Celeriac('x', options),
        (error: Error) => {
          assert(error instanceof OptionError);
          assert.match(error.message, pattern);
          return true;
        },
      );
    refused(
      { borker: 'redis://x' },
      /new Celeriac\('x'\): unknown option "borker"\. Did you mean "broker"\?/,
    );
    refused({ broker: 'reddis://x' }, /"reddis:\/\/x" is no broker URL.*Did you mean redis:\/\//);
    refused({ broker: {} }, /neither an ioredis client nor a pg\.Pool/);
    refused({ resultExpires: '10' }, /resultExpires: "10" is not a duration/);
    refused({ timezone: 'Mars/Base' }, /timezone "Mars\/Base" is unknown/);
    refused({ prefix: 'a:b' }, /prefix "a:b"/);
    refused({ logger: console.log }, /logger must have the methods/);
    refused({ serializer: 'yaml' }, /knows no serializer "yaml"/);
    refused(
      { taskDefaults: { maxRetrys: 1 } },
      /taskDefaults: unknown option "maxRetrys"\. Did you mean "maxRetries"\?/,
    );
    assert.throws(() => new Celeriac(''), /the name is missing/);
  });

  it('refuses to go on after close, and says so', async () => {
    const app = new Celeriac('closed', { broker: 'redis://127.0.0.1:1/0' });
    const task = app.task('x', () => 1);
    await Promise.all([app.close(), app.close()]);
    await app.close();
    assert.throws(() => app.worker(), { code: 'APP_CLOSED' });
    for (const call of [
      () => task.delay(),
      () => app.result('x').get(),
      () => app.result('x').status,
      () => app.control.ping(),
    ]) {
      const error = await rejection(call() as Promise<unknown>);
      assert(isCeleriacError(error, 'APP_CLOSED'), `${call}: ${error}`);
    }
  });
});
