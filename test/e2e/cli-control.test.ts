/** Every command of remote control, typed into a second terminal, against what the API says of the same workers. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac } from 'celeriac';
import { terminals as openTerminals } from '../support/cli-terminals.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
// A redis-server that is waited for holds no event loop open, and between two commands nothing else does.
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

const terminals = (t: TestContext) => openTerminals(t, redis.url);
const ask = { timeout: '20s' } as const;

describe('celeriac inspect', () => {
  it('prints with --json what app.inspect() gives, for every question', async (t) => {
    const { json, run, worker, prefix } = terminals(t);
    const running = worker('-n', 'w@test', '-c', '1', '-Q', 'celeriac=3,mail', '-l', 'info');
    await running.printed(/ready/);
    await using app = new Celeriac('reports', { broker: redis.url, prefix });
    const delayed = await app.sendTask('report', ['7'], { countdown: '1h', queue: 'mail' });
    await app.sendTask('hang', [], { taskId: 'long', tags: ['tenant:42'] });
    await running.printed(/hang\[long\]: hanging/);
    const inspect = app.inspect(ask);
    const answers = {
      ping: inspect.ping(),
      active: inspect.active(),
      scheduled: inspect.scheduled(),
      reserved: inspect.reserved(),
      revoked: inspect.revoked(),
      registered: inspect.registered(),
      'active-queues': inspect.activeQueues(),
      conf: inspect.conf(),
    };
    for (const [name, answer] of Object.entries(answers)) {
      assert.deepEqual(
        timeless(await json('inspect', name, '--timeout', '20s')),
        timeless(await answer),
        name,
      );
    }
    const found = await json('inspect', 'query-task', 'long', delayed.id, 'nobody');
    assert.equal(found['w@test'].long.state, 'active');
    assert.deepEqual(timeless(found), timeless(await inspect.queryTask('long', delayed.id, 'nobody')));
    const table = await run('inspect', 'query-task', 'long', delayed.id);
    assert.match(table.stdout, /^w@test\n {2}ID +STATE +INFO\n {2}long +active .*\n {2}\S+ +scheduled /m);
    const report = await run('inspect', 'report');
    assert.match(report.stdout, /^w@test\n {2}celeriac \d.*\n {2}node w@test, pid \d+/);
    const stats = Object.keys((await json('inspect', 'stats'))['w@test'])
      .sort()
      .join(' ');
    const active = (tag: string) => json('inspect', 'active', '--tag', tag, '--timeout', '20s');
    assert.deepEqual(timeless(await active('tenant:42')), timeless(await inspect.active()));
    assert.deepEqual(await active('tenant:43'), { 'w@test': [] });
    const revoke = ['control', 'revoke', '--tag', 'tenant:42', '--terminate', '--timeout', '20s'];
    assert.match((await run(...revoke)).stdout, /^all with the tag tenant:42 that had not ended: revoked$/m);
    await assert.rejects(app.result('long').get({ timeout: '20s' }), { code: 'TASK_REVOKED' });
    const failing = await run('call', 'fail', '--task-id', 'bad', '--wait', '--tag', 'tenant:42');
    assert.equal(failing.code, 1);
    const failed = async (tag: string) => {
      const list = (await json('failed', 'list', '--tag', tag)) as readonly { id: string }[];
      return list.map(({ id }) => id);
    };
    assert.deepEqual([await failed('tenant:42'), await failed('tenant:43')], [['bad'], []]);
    assert.equal(stats, 'concurrency cpu memory pid pool processed queues running slots uptimeMs version');
  });
});

/** Without how long a task has run, which is another time at each question. */
function timeless(replies: unknown): unknown {
  const text = JSON.stringify(replies, (key, value: unknown) =>
    key === 'runtimeMs' || key === 'startedAt' ? typeof value : value,
  );
  return JSON.parse(text);
}

describe('celeriac control', () => {
  it('does what app.control does, for every command, and says so', async (t) => {
    const { run, worker, prefix } = terminals(t);
    const running = worker('-n', 'w@test', '--autoscale', '4,2');
    await running.printed(/concurrency +2 to 4 \(async\)/);
    await running.printed(/ready: .* 2 to 4 at a time/);
    const says = async (expected: RegExp, ...args: string[]) => {
      const { code, stdout, stderr } = await run('control', ...args, '--timeout', '20s');
      assert.match(stdout, expected, stderr);
      assert.equal(code, 0);
    };
    await says(/^w@test: pong\n$/, 'ping');
    await says(/^w@test: concurrency is 5 now\n$/, 'pool-grow', '3');
    await says(/^w@test: concurrency is 4 now\n$/, 'pool-shrink');
    await says(/from 3 to 9 by itself/, 'autoscale', '9', '3');
    await says(/consuming "mail" with 8 slots of its own/, 'add-consumer', '-Q', 'mail', '-c', '8');
    await says(/no longer consuming "mail"/, 'cancel-consumer', '-Q', 'mail');
    await says(/sleep: 10\/m, over all workers/, 'rate-limit', 'sleep', '10/m');
    await says(/soft 30s, hard 1m/, 'time-limit', 'sleep', '30s', '1m');
    await says(/soft 20s, hard 1m/, 'time-limit', 'sleep', '20s');
    await says(/soft 20s, hard none/, 'time-limit', 'sleep', '20s', 'none');
    await says(/log level is debug now/, 'loglevel', 'debug');
    await says(/^w@test: Ada, from w@test\n$/, 'broadcast', 'greet', '--args', '{ "name": "Ada" }');
    await using app = new Celeriac('reports', { broker: redis.url, prefix });
    const conf = (await app.inspect(ask).conf())['w@test'] as { worker: object };
    assert.deepEqual('autoscale' in conf.worker && conf.worker.autoscale, { max: 9, min: 3 });
    await says(/^w@test: shutting down\n$/, 'shutdown');
    assert.equal((await running.ended).code, 0);
  });

  it('ends with 1 for what a node refuses, 2 for wrong usage, and names who is not there', async (t) => {
    const { run, worker } = terminals(t);
    await worker('-n', 'w@test').printed(/ready/);
    for (const command of [
      ['time-limit', 'nobody', '1s', '2s'],
      ['rate-limit', 'nobody', '1/s'],
      ['cancel-consumer', '-Q', 'nothing'],
      ['pool-shrink', '1000'],
      ['broadcast', 'greet'],
      ['broadcast', 'great', '--args', '{ "name": "Ada" }'],
    ]) {
      const refused = await run('control', ...command, '--timeout', '20s');
      assert.equal(refused.code, 1, command.join(' '));
      assert.match(refused.stdout, /^w@test: \S/);
    }
    for (const [command, complaint] of [
      [['autoscale', '1', '2'], /min 2 is above max 1/],
      [['time-limit', 'sleep', '10', '20s'], /10 has no unit/],
      [['time-limit', 'sleep', '10s', '5s'], /softTimeLimit .* is longer/],
      [['loglevel', 'inof'], /Did you mean "info"/],
      [['broadcast', 'ping'], /"ping" is a command of celeriac itself/],
      [['broadcast', 'greet', '--args', '{'], /--args: \{ is not JSON/],
    ] as const) {
      const wrong = await run('control', ...command);
      assert.match(wrong.stderr, complaint);
      assert.equal(wrong.code, 2);
    }
    const queues = ['-Q', 'nothing,celeriac', '--timeout', '20s'];
    const both = await run('control', 'cancel-consumer', ...queues);
    assert.equal(
      both.stdout,
      'w@test: queue "nothing" is not consumed here\nw@test: no longer consuming "celeriac"\n',
    );
    const { code, stdout } = await run('control', 'add-consumer', ...queues, '--json');
    assert.deepEqual([code, Object.keys(JSON.parse(stdout)['w@test'])], [0, ['nothing', 'celeriac']]);
    assert.equal(both.code, 1);
    const partly = await run('inspect', 'ping', '-d', 'w@test,x@other', '--timeout', '20s');
    assert.match(partly.stdout, /w@test +pong/);
    assert.match(partly.stderr, /-d: no worker is called "x@other"/);
    assert.equal(partly.code, 1);
  });
});
