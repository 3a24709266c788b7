/** Queues from a second terminal: what is in them, purging and pausing them; without any code of the app's. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import { project, runCli } from '../support/cli.js';
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

describe('celeriac queues', () => {
  it('tells the sizes of every queue, with nothing but the broker and the prefix', async (t) => {
    const { run, prefix } = terminals(t);
    await run('call', 'report', '-a', '["7"]');
    await run('call', 'report', '-a', '["7"]', '--queue', 'mail', '--countdown', '1h');
    const bare = { cwd: project(t, {}), env: { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix } };
    const told = await runCli(['queues', '--json'], bare);
    const empty = {
      paused: false,
      waiting: 0,
      active: 0,
      delayed: 0,
      waitingChildren: 0,
      failed: 0,
      finished: 0,
    };
    assert.deepEqual(JSON.parse(told.stdout), [
      { ...empty, name: 'celeriac', waiting: 1 },
      { ...empty, name: 'mail', delayed: 1 },
    ]);
    const shown = await runCli(['queues'], bare);
    assert.match(shown.stdout, /^QUEUE +WAITING +ACTIVE +DELAYED +FAILED +FINISHED/);
    assert.match(shown.stdout, /\nceleriac +1 +0 +0 +0 +0\nmail +0 +0 +1 +0 +0\n$/);
    assert.deepEqual([told.code, shown.code], [0, 0]);
  });

  it('says so where there is none, and ends with 69 without a broker', async (t) => {
    const none = await terminals(t).run('queues');
    assert.match(none.stderr, /has no queues yet/);
    assert.deepEqual([none.code, none.stdout], [0, '']);
    const env = { CELERIAC_BROKER_URL: 'redis://127.0.0.1:1', CELERIAC_PREFIX: randomUUID() };
    for (const command of [['queues'], ['purge', '--yes'], ['control', 'pause', 'celeriac']])
      assert.equal((await runCli(command, { cwd: project(t, {}), env })).code, 69, command.join(' '));
  });
});

describe('celeriac purge', () => {
  it('drops what waits, and wakes a waiter in another process at once', async (t) => {
    const { run, start, json } = terminals(t);
    const waiter = start('call', 'report', '-a', '["7"]', '--wait');
    await waiter.printed(/PENDING/);
    await run('call', 'report', '-a', '["7"]', '--queue', 'mail');
    const purged = await run('purge', '-Q', 'celeriac', '--yes');
    assert.deepEqual([purged.code, purged.stdout], [0, 'celeriac: 1 task dropped\n']);
    const { code, stderr } = await waiter.ended;
    assert.match(stderr, /revoked.*its queue was purged/);
    assert.equal(code, 1);
    assert.deepEqual(await json('purge', '--yes'), { celeriac: 0, mail: 1 });
  });

  it('does nothing without a terminal unless --yes says so', async (t) => {
    const { run, json } = terminals(t);
    await run('call', 'report', '-a', '["7"]');
    const { code, stdout, stderr } = await run('purge');
    assert.match(stderr, /^celeriac: Drop 1 task waiting in celeriac of "[^"]+"\? .*--yes/m);
    assert.deepEqual([code, stdout], [2, '']);
    assert.equal((await json('queues'))[0].waiting, 1);
  });

  it('has nothing to ask about where there is no queue', async (t) => {
    const { run, json } = terminals(t);
    const { code, stdout, stderr } = await run('purge');
    assert.deepEqual([code, stdout], [0, '']);
    assert.match(stderr, /has no queue to purge/);
    assert.deepEqual(await json('purge'), {});
  });

  it('fails for a queue that nobody knows, and purges the others', async (t) => {
    const { run } = terminals(t);
    await run('call', 'report', '-a', '["7"]', '--queue', 'mail');
    const { code, stdout, stderr } = await run('purge', '-Q', 'maill,mail', '--yes');
    assert.deepEqual([code, stdout], [1, 'mail: 1 task dropped\n']);
    assert.match(stderr, /no queue "maill" is known\. Did you mean "mail"\?/);
  });

  it('does not ask about nothing', async (t) => {
    const { run } = terminals(t);
    await run('call', 'report', '-a', '["7"]');
    await run('purge', '--yes');
    const { code, stdout, stderr } = await run('purge');
    assert.deepEqual([code, stdout], [0, 'celeriac: 0 tasks dropped\n']);
    assert.doesNotMatch(stderr, /Drop/);
  });

  it('comes first in a worker with --purge', async (t) => {
    const { run, json, worker } = terminals(t);
    for (const id of ['old', 'older']) await run('call', 'report', '-a', '["7"]', '--task-id', id);
    const running = worker('--purge');
    await running.printed(/purged celeriac.*\n[\s\S]*ready/);
    assert.equal((await json('result', 'old')).state, 'REVOKED');
    const fresh = await run('call', 'report', '-a', '["7"]', '--wait');
    assert.equal(fresh.code, 0);
    assert.doesNotMatch(running.output, /report\[old/);
  });
});

describe('celeriac control pause', () => {
  it('holds for workers that come later, until resume', async (t) => {
    const { run, json, start, worker } = terminals(t);
    const paused = await run('control', 'pause', 'celeriac');
    assert.match(paused.stdout, /^"celeriac" is paused, for workers that start later as well/);
    assert.equal(paused.code, 0);
    await worker('-n', 'w@test', '-Q', 'celeriac,other').printed(/ready/);
    const waiting = start('call', 'report', '-a', '["7"]', '--wait');
    await waiting.printed(/PENDING/);
    assert.equal((await run('call', 'report', '-a', '["8"]', '--queue', 'other', '--wait')).code, 0);
    assert.equal((await json('queues'))[0].paused, true);
    assert.match((await run('queues')).stdout, /\nceleriac +1 .* paused\n/);
    const resumed = await run('control', 'resume', 'celeriac');
    assert.deepEqual([resumed.code, resumed.stdout], [0, 'w@test: resumed "celeriac"\n']);
    assert.equal((await waiting.ended).code, 0);
    const unheard = await run('control', 'pause', 'celeriacc', '--json');
    assert.deepEqual(JSON.parse(unheard.stdout), {
      'w@test': { error: 'no queue "celeriacc" is known, and none of that name is consumed here' },
    });
    assert.equal(unheard.code, 1);
  });
});

describe('celeriac failed', () => {
  it('lists, shows, retries and deletes tasks that failed', async (t) => {
    const { run, json, worker, start } = terminals(t);
    const running = worker('-n', 'w@test');
    await running.printed(/ready/);
    for (const id of ['one', 'two', 'three']) {
      assert.equal((await run('call', 'fail', '--task-id', id, '--wait')).code, 1);
    }
    const listed = await run('failed', 'list', '--limit', '2');
    assert.match(
      listed.stdout,
      /^ID +TASK +QUEUE +FAILED +ERROR\nthree +fail +celeriac .* no such report\ntwo /,
    );
    assert.match(listed.stderr, /More: "celeriac failed list --limit 2 --after two"\n$/);
    const rest = await json('failed', 'list', '--limit', '2', '--after', 'two');
    assert.deepEqual([rest.length, rest[0].id, rest[0].name, rest[0].state], [1, 'one', 'fail', 'FAILURE']);
    const shown = await run('failed', 'show', 'one');
    assert.match(shown.stdout, /state +FAILURE\n[\s\S]*no such report[\s\S]*\n +at /);
    const following = start('failed', 'retry', 'one', 'nobody');
    const retried = await following.ended;
    assert.deepEqual([retried.code, retried.stdout], [1, 'one: runs again\n']);
    assert.match(retried.stderr, /nobody: no failed task of this id is kept/);
    await running.printed(/Task fail\[one\] (failed|raised)/i, { times: 2 });
    const asked = await run('failed', 'delete', '--all', '-t', 'fail');
    assert.match(asked.stderr, /Delete all failed tasks named fail of "[^"]+" for good\? .*--yes/);
    assert.equal(asked.code, 2);
    assert.match((await run('failed', 'delete')).stderr, /which\?/);
    const gone = await json('failed', 'delete', '--all', '-Q', 'celeriac', '--yes');
    assert.deepEqual([[...gone.done].sort(), gone.refused], [['one', 'three', 'two'], {}]);
    assert.deepEqual(await json('failed', 'list'), []);
    assert.equal((await run('failed', 'show', 'one')).code, 1);
  });
});

describe('ids that every object answers to', () => {
  it('are ids like any other', async (t) => {
    const { run } = terminals(t);
    const { code, stdout } = await run('failed', 'retry', '__proto__', 'constructor', '--json');
    assert.deepEqual(Object.keys(JSON.parse(stdout).refused), ['__proto__', 'constructor']);
    assert.equal(code, 1);
  });
});

describe('celeriac doctor', () => {
  it('ends with 0 where nothing is wrong, 1 where something is, 69 where nobody answers; in words or JSON', async (t) => {
    const cwd = project(t, {});
    const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: randomUUID() };
    const fine = await runCli(['doctor'], { cwd, env });
    assert.match(fine.stdout, /^celeriac \d\S*, BullMQ \d\S*, Node \d\S*, Redis \d\S*, \S+ \S+ \S+\n/);
    assert.match(fine.stdout, /^ok +version +Redis \d/m);
    assert.match(fine.stdout, /^warning +workers +none answers\n +Start one: /m);
    assert.match(fine.stdout, /\n\nno problems, \d warnings?\.\n$/);
    assert.equal(fine.code, 0);
    const evicting = await startRedis(['--maxmemory', '200mb', '--maxmemory-policy', 'allkeys-lru']);
    t.after(() => evicting.close());
    const ill = await runCli(['doctor', '--json'], {
      cwd,
      env: { ...env, CELERIAC_BROKER_URL: evicting.url },
    });
    const { healthy, findings, versions } = JSON.parse(ill.stdout);
    assert.deepEqual(Object.keys(versions), ['celeriac', 'bullmq', 'node', 'broker', 'os']);
    assert.ok(Object.values(versions).every((version) => /\d/.test(String(version))));
    assert.equal(healthy, false);
    const eviction = findings.find(({ check }: { check: string }) => check === 'eviction');
    assert.match(eviction.advice, /noeviction/);
    assert.equal(ill.code, 1);
    const gone = await runCli(['doctor'], {
      cwd,
      env: { ...env, CELERIAC_BROKER_URL: 'redis://127.0.0.1:1' },
    });
    assert.match(gone.stdout, /^problem +connection +.*127\.0\.0\.1:1/m);
    assert.equal(gone.code, 69);
  });
});
