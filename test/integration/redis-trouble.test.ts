/** A Redis that is there and does not do what it is asked, and one that gives us few rights. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { BrokerError, BrokerUnavailableError } from 'celeriac';
import { Redis } from 'ioredis';
import { rejection, startProgram, testApp, uniqueName, until, within } from '../support/app.js';
import { startRedis } from '../support/redis.js';
import { startCluster } from '../support/redis-cluster.js';
import { freePort } from '../support/servers.js';

describe('A Redis that is there', () => {
  it('and is a replica for a moment takes a call within publishRetry, with and without an id', async (t) => {
    const { server, admin } = await redis(t);
    const { app } = testApp(t, { broker: server.url });
    const task = app.task('x', () => 1);
    await task.delay();
    for (const options of [{}, { taskId: 'mine' }]) {
      await admin.replicaof('127.0.0.1', await freePort());
      const called = task.applyAsync([], options);
      // It was refused at least once before the server takes writes again.
      await until(
        async () => /rejected_calls=[1-9]|failed_calls=[1-9]/.test(await stats(admin)),
        'a refused write',
      );
      await admin.replicaof('NO', 'ONE');
      assert.equal(await (await called).status, 'PENDING');
      await admin.config('RESETSTAT');
    }
  });

  it('and stays a replica is a BrokerUnavailableError that carries the id', async (t) => {
    const { server, admin } = await redis(t);
    const { app } = testApp(t, { broker: server.url, publishRetry: 200 });
    const task = app.task('x', () => 1);
    await task.delay();
    await admin.replicaof('127.0.0.1', await freePort());
    const error = await rejection(task.delay());
    assert(error instanceof BrokerUnavailableError, String(error));
    assert.match(error.message, /READONLY/);
    assert.match(error.message, /may or may not have been accepted; calling again with \{ taskId/);
    assert.match(error.taskId ?? '', /@celeriac$/);
  });

  it('and refuses many calls as a replica draws no warning of a leak, each time it is one', async (t) => {
    const { server, admin } = await redis(t);
    const { app, worker } = testApp(t, { broker: server.url, publishRetry: '20s' });
    const task = app.task('x', () => 1);
    await worker({ concurrency: 20 });
    const warnings: string[] = [];
    const note = (warning: Error) => void warnings.push(`${warning.name}: ${warning.message}`);
    process.on('warning', note);
    t.after(() => process.off('warning', note));
    const connected = async () =>
      Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1]);
    for (let times = 0; times < 2; times++) {
      const before = await connected();
      await admin.replicaof('127.0.0.1', await freePort());
      const sent = Array.from({ length: 40 }, (_, n) => task.applyAsync([], { taskId: `x${times}-${n}` }));
      // A client that was refused looks for the master: it connects anew.
      await until(async () => (await connected()) > before, 'a new connection');
      await admin.replicaof('NO', 'ONE');
      for (const result of await Promise.all(sent)) assert.equal(await result.get({ timeout: '20s' }), 1);
    }
    assert.deepEqual(warnings, []);
  });

  it('and has no memory left refuses a call with what to look at', async (t) => {
    const { server, admin } = await redis(t);
    const { app } = testApp(t, { broker: server.url });
    const task = app.task('x', () => 1);
    await task.delay();
    await admin.config('SET', 'maxmemory', 1);
    for (const options of [{}, { taskId: 'mine' }]) {
      const error = await rejection(task.applyAsync([], options));
      assert(error instanceof BrokerError && !(error instanceof BrokerUnavailableError), String(error));
      assert.match(error.message, /has reached its memory limit .*\(OOM .*Raise maxmemory/);
    }
    await admin.config('SET', 'maxmemory', 0);
    assert.equal(await (await task.applyAsync([], { taskId: 'mine' })).status, 'PENDING');
  });
});

describe('A Redis user with the rights of the guide', () => {
  it('calls, works, schedules and asks, and nothing is written on the console', async (t) => {
    const { server, admin } = await redis(t);
    await admin.call('ACL', 'SETUSER', 'lean', ...RIGHTS.replaceAll('PREFIX', 'lean').split(' '));
    await admin.call('ACL', 'LOG', 'RESET');
    const broker = server.url.replace('//', '//lean:pw@');
    await worksWithout(t, broker, 'lean');
    const refused = (await admin.call('ACL', 'LOG')) as unknown[];
    const objects = refused.map((entry) => JSON.stringify(entry).match(/"object",?:?"(\w+)"/)?.[1]);
    assert.deepEqual([...new Set(objects)], ['info'], JSON.stringify(refused));
  });

  it('does so on a Cluster', async (t) => {
    const cluster = await startCluster();
    t.after(() => within(cluster.close(), 'the end of the servers'));
    for (const { port } of cluster.nodes) {
      const admin = new Redis({ port });
      await admin.call(
        'ACL',
        'SETUSER',
        'lean',
        ...RIGHTS.replaceAll('PREFIX', '{lean}').split(' '),
        ...CLUSTER_RIGHTS,
      );
      admin.disconnect();
    }
    await worksWithout(t, cluster.url.replace('//', '//lean:pw@'), 'lean');
  });

  it('who may not write is a BrokerError that names the right and the place where they are listed', async (t) => {
    const { server, admin } = await redis(t);
    await admin.call('ACL', 'SETUSER', 'reader', ...'on >pw ~* &* +@all -evalsha -eval'.split(' '));
    const { app } = testApp(t, { broker: server.url.replace('//', '//reader:pw@') });
    const error = await rejection(app.task('x', () => 1).delay());
    assert(error instanceof BrokerError && !(error instanceof BrokerUnavailableError), String(error));
    assert.match(error.message, /rights it needs \(NOPERM .*eval.*guide to deployment/);
  });
});

describe('A process whose app was closed', () => {
  it('ends at once, with a worker', async (t) => {
    const { server } = await redis(t);
    await endsAtOnce(t, server.url);
  });

  it('ends at once on a Cluster', async (t) => {
    const cluster = await startCluster();
    t.after(() => within(cluster.close(), 'the end of the servers'));
    await endsAtOnce(t, cluster.url);
  });
});

/** What the guide to deployment lists; the test fails when it is not enough. */
const RIGHTS =
  'on >pw ~PREFIX:* &PREFIX:* -@all +@read +@write +@pubsub +@scripting +@transaction +@blocking +@connection +time -@admin -@dangerous';
const CLUSTER_RIGHTS = ['+cluster|slots', '+cluster|shards', '+cluster|info', '+cluster|keyslot'];

async function worksWithout(t: TestContext, broker: string, prefix: string): Promise<void> {
  const written: unknown[] = [];
  for (const method of ['log', 'warn', 'error'] as const)
    t.mock.method(console, method, (...words: unknown[]) => void written.push(words));
  const { app, worker, lines } = testApp(t, { broker, prefix });
  const limited = app.task(
    'limited',
    { rateLimit: '100/s', unique: { mode: 'reject' } },
    (n: number) => n + 1,
  );
  await worker({ concurrency: 2 });
  const result = await limited.applyAsync([1], { taskId: uniqueName(), countdown: 1 });
  assert.equal(await result.get({ timeout: '20s' }), 2);
  assert.equal(Object.keys(await app.control.ping()).length, 1);
  const found = await app.doctor();
  assert.ok(JSON.stringify(found).includes('this user may not read INFO'), JSON.stringify(found));
  await app.close();
  assert.deepEqual(
    lines.filter(({ level }) => level === 'error' || level === 'warn').map(({ message }) => message),
    [],
  );
  assert.deepEqual(written, []);
}

async function endsAtOnce(t: TestContext, broker: string): Promise<void> {
  const file = new URL('./programs/closes.js', import.meta.url);
  const program = startProgram(t, file, [broker, uniqueName()]);
  assert.equal(await within(program.ended, 'the end of the program'), 0, program.output());
  assert.doesNotMatch(program.output(), /lives on/);
}

async function redis(t: TestContext) {
  const server = await startRedis();
  const admin = new Redis({ port: server.port });
  t.after(async () => {
    admin.disconnect();
    await within(server.close(), 'the end of the server');
  });
  return { server, admin };
}

function stats(admin: Redis): Promise<string> {
  return admin.info('commandstats');
}
