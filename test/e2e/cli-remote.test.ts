/** Revoking, asking for nodes that are not there, following a result, and migrating: from a second terminal. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import { project, runCli } from '../support/cli.js';
import { terminals as openTerminals } from '../support/cli-terminals.js';
import { type PostgresServer, startPostgres } from '../support/postgres.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
// A redis-server that is waited for holds no event loop open, and between two commands nothing else does.
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

const terminals = (t: TestContext) => openTerminals(t, redis.url);

describe('celeriac control revoke', () => {
  it('ends for good what has not started, without any worker', async (t) => {
    const { run, json, worker } = terminals(t);
    for (const id of ['one', 'two']) await run('call', 'report', '-a', '["7"]', '--task-id', id);
    const revoked = await run('control', 'revoke', 'one', 'two', '--reason', 'no longer wanted');
    assert.deepEqual([revoked.code, revoked.stdout], [0, 'one: REVOKED\ntwo: REVOKED\n']);
    const { state, error } = await json('result', 'one');
    assert.equal(state, 'REVOKED');
    assert.match(error.message, /no longer wanted/);
    const running = worker('-n', 'w@test');
    await running.printed(/Task report\[(one|two)\] revoked: no longer wanted/, { times: 2 });
    assert.deepEqual((await json('inspect', 'revoked'))['w@test'].sort(), ['one', 'two']);
    const told = await run('inspect', 'revoked');
    assert.match(told.stdout, /^w@test {2}2 revoked\n {2}(one|two)\n/);
  });

  it('leaves a running task alone, and ends it with --terminate', async (t) => {
    const { run, json, worker } = terminals(t);
    const running = worker('-n', 'w@test');
    await running.printed(/ready/);
    const called = await run('call', 'report', '-a', '["7"]', '--task-id', 'done', '--wait');
    assert.equal(called.code, 0);
    // The task says itself that it runs.
    await run('call', 'hang', '--task-id', 'long');
    await running.printed(/hang\[long\]: hanging/);
    const left = await run('control', 'revoke', 'long', 'done');
    assert.match(left.stdout, /^long: STARTED, it runs on; --terminate would end it\ndone: SUCCESS, it had/);
    assert.equal(left.code, 0);
    const ended = await run('control', 'revoke', 'long', '--terminate', '--reason', 'enough');
    assert.deepEqual([ended.code, ended.stdout], [0, 'long: REVOKED\n']);
    await running.printed(/Task hang\[long\] revoked: enough/);
    assert.deepEqual(await json('inspect', 'active'), { 'w@test': [] });
    assert.deepEqual(await json('control', 'revoke', 'long', '--terminate'), {
      'w@test': { ok: 'ended 0 running tasks' },
    });
  });

  it('fails for a task that nobody knows, and revokes the others', async (t) => {
    const { run } = terminals(t);
    await run('call', 'report', '-a', '["7"]', '--task-id', 'known');
    const { code, stdout, stderr } = await run('control', 'revoke', 'never-sent', 'known');
    assert.match(stderr, /^celeriac: no task "never-sent" is known/m);
    assert.equal(stdout, 'known: REVOKED\n');
    assert.equal(code, 1);
  });
});

describe('-d with a name that no worker has', () => {
  it('ends with 69 and names the workers there are', async (t) => {
    const { run, worker } = terminals(t);
    await worker('-n', 'w@test').printed(/ready/);
    for (const command of [['inspect', 'active'], ['control', 'pool-grow', '2'], ['status']]) {
      const { code, stdout, stderr } = await run(...command, '-d', 'x@other', '--json');
      assert.match(stderr, /celeriac: -d: no worker is called "x@other"\. Workers: w@test\.\n$/);
      assert.deepEqual(JSON.parse(stdout), {});
      assert.equal(code, 69);
    }
    const near = await run('inspect', 'ping', '-d', 'v@test');
    assert.match(near.stderr, /Did you mean "w@test"\?/);
    assert.equal(near.code, 69);
    assert.equal((await run('inspect', 'ping', '-d', 'w@test')).code, 0);
  });
});

describe('following a task', () => {
  it('shows its states from the queue to the end', async (t) => {
    const { run, start, worker } = terminals(t);
    await run('call', 'report', '-a', '["7"]', '--task-id', 'mine');
    const following = start('result', 'mine', '--follow');
    const waiting = start('call', 'report', '-a', '["8"]', '--wait');
    await following.printed(/PENDING\n/);
    await waiting.printed(/PENDING\n/);
    await worker().printed(/ready/);
    const [followed, waited] = await Promise.all([following.ended, waiting.ended]);
    assert.match(followed.stderr, /PENDING\n[\s\S]*SUCCESS\n$/);
    assert.match(followed.stdout, /state +SUCCESS\nvalue +Report 7 generated/);
    assert.match(waited.stderr, /^a module.*\nreport .*\nPENDING\n[\s\S]*SUCCESS\n$/);
    assert.match(waited.stdout, /^Report 8 generated, \d so far\.\n$/);
    assert.deepEqual([followed.code, waited.code], [0, 0]);
  });

  it('gives up at --timeout, and leaves the task alone', async (t) => {
    const { run } = terminals(t);
    const { code, stderr } = await run(
      ...['call', 'report', '-a', '["7"]', '--task-id', 'mine', '--wait', '--timeout', '300ms'],
    );
    assert.match(stderr, /celeriac: it did not end within 300ms\. .*"celeriac result mine --follow"/);
    assert.equal(code, 1);
    assert.match((await run('result', 'mine')).stdout, /state +PENDING/);
  });
});

describe('celeriac migrate', () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.close());

  it('makes the schema on PostgreSQL, needs no code, and may be run again', async (t) => {
    const cwd = project(t, {});
    const env = { CELERIAC_BROKER_URL: server.url, CELERIAC_PREFIX: `cli_${randomUUID().slice(0, 8)}` };
    const before = await runCli(['call', 'add'], { cwd, env });
    assert.match(before.stderr, /celeriac migrate/);
    assert.equal(before.code, 1);
    for (let times = 0; times < 2; times++) {
      const { code, stdout, stderr } = await runCli(['migrate'], { cwd, env });
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /is up to date/);
    }
    const sent = await runCli(['call', 'add', '--task-id', 'mine'], { cwd, env });
    assert.deepEqual([sent.code, sent.stdout], [0, 'mine\n']);
    assert.match(sent.stderr, /^celeriac: sent to the default queue: without -A .* -q names one\.\n$/);
    const named = await runCli(['call', 'add', '-q', 'mail'], { cwd, env });
    assert.deepEqual([named.code, named.stderr], [0, '']);
  });

  it('has nothing to do on Redis', async (t) => {
    const { code } = await terminals(t).run('migrate');
    assert.equal(code, 0);
  });
});
