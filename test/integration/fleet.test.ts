/** Remote control of workers in processes of their own: who answers, who does not, and what a reconnect leaves. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Celeriac, type ErrorReply, type NodeStats } from 'celeriac';
import { Redis } from 'ioredis';
import { type Program, startProgram, testApp, uniqueName, until, within } from '../support/app.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const PROGRAM = new URL('./programs/fleet-worker.js', import.meta.url);
const ask = { timeout: '20s' } as const;

let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => within(redis.close(), 'the end of the server'));

interface Node {
  readonly program: Program;
  readonly name: string;
}

async function start(t: TestContext, url: string, prefix: string, ...args: string[]): Promise<Node> {
  const program = startProgram(t, PROGRAM, [url, prefix, ...args]);
  // Ten processes take a while to start on a busy machine.
  await until(() => program.messages.length > 0 || program.child.exitCode !== null, 'the start', 120_000);
  const { node } = await program.message<{ node?: string }>((message) => message.node !== undefined);
  return { program, name: node ?? '' };
}

/** Ends without waiting for the workers, which their test kills. */
function fleet(t: TestContext, url = redis.url): { app: Celeriac; prefix: string } {
  const prefix = uniqueName();
  return { app: testApp(t, { broker: url, prefix }).app, prefix };
}

describe('A fleet of processes', () => {
  it('ten workers that start at once under one name get ten names, and all answer', async (t) => {
    const { app, prefix } = fleet(t);
    const nodes = await Promise.all(
      Array.from({ length: 10 }, () => start(t, redis.url, prefix, 'same@host')),
    );
    const names = nodes.map(({ name }) => name).sort();
    assert.equal(new Set(names).size, 10, names.join());
    assert(names.includes('same@host') && names.includes('same@host-10'), names.join());
    await app.control.ping(ask);
    const all = Object.fromEntries(names.map((name) => [name, 'pong']));
    // Half a second is all the time they have; a machine that was busy elsewhere gets another chance.
    await until(async () => {
      const before = performance.now();
      const replies = await app.inspect({ timeout: '500ms' }).ping();
      t.diagnostic(`${Object.keys(replies).length} answers in ${(performance.now() - before).toFixed(1)} ms`);
      return isDeepStrictEqual(replies, all);
    }, 'ten answers within half a second');
    const pids = Object.values(await app.inspect(ask).stats()).map((reply) => (reply as NodeStats).pid);
    assert.deepEqual(pids.sort(), nodes.map(({ program }) => program.child.pid).sort());
  });

  it('a frozen worker is listed as silent after the timeout, the others answer', async (t) => {
    const { app, prefix } = fleet(t);
    const [one, two] = await Promise.all([
      start(t, redis.url, prefix, 'one'),
      start(t, redis.url, prefix, 'two'),
    ]);
    two.program.child.kill('SIGSTOP');
    const replies = await until(async () => {
      // Before the signal has arrived it may answer once more.
      const answer = await app.inspect({ timeout: '1s' }).ping();
      return answer.two !== 'pong' && answer.one === 'pong' && answer;
    }, 'the silence of the frozen one');
    assert.deepEqual(replies, { one: 'pong', two: { error: 'no answer' } });
    assert.deepEqual(await app.control.ping({ destination: ['one'], timeout: '1h' }), { one: 'pong' });
    two.program.child.kill('SIGCONT');
    await until(async () => (await app.inspect(ask).ping()).two === 'pong', 'the answer of the thawed one');
    one.program.child.kill('SIGKILL');
    await one.program.ended;
    const afterwards = await app.inspect({ timeout: '100ms' }).ping();
    assert(afterwards.one === undefined || (afterwards.one as ErrorReply).error === 'no answer');
  });

  it('shutdown of one node leaves the others, and who left is gone at once', async (t) => {
    const { app, prefix } = fleet(t);
    const [one] = await Promise.all([start(t, redis.url, prefix, 'one'), start(t, redis.url, prefix, 'two')]);
    assert.deepEqual(await app.control.shutdown({ ...ask, destination: ['one'] }), {
      one: { ok: 'shutting down' },
    });
    await until(async () => !('one' in (await app.inspect(ask).ping())), 'the end of the one');
    assert.deepEqual(await app.inspect(ask).ping(), { two: 'pong' });
    one.program.send({ done: true });
    assert.equal(await one.program.ended, 0);
  });

  it('terminates a running task on whichever node it runs, and frees its slot', async (t) => {
    const { app, prefix } = fleet(t);
    await Promise.all([start(t, redis.url, prefix, 'one'), start(t, redis.url, prefix, 'two')]);
    const sent = await Promise.all(Array.from({ length: 4 }, () => app.sendTask('hang')));
    const running = async () => Object.values(await app.inspect(ask).active()).flat().length;
    await until(async () => (await running()) === 4, 'all slots to be taken');
    const waiting = await app.sendTask<number>('double', [21]);
    const replies = await app.control.revoke(
      sent.slice(0, 2).map(({ id }) => id),
      { ...ask, terminate: true, reason: 'enough' },
    );
    assert.deepEqual(Object.keys(replies).sort(), ['one', 'two']);
    assert.equal(await waiting.get({ timeout: '20s' }), 42);
    for (const result of sent.slice(0, 2)) {
      await assert.rejects(result.get({ timeout: '20s' }), /enough/);
      assert.equal(await result.status, 'REVOKED');
    }
    await until(async () => (await running()) === 2, 'the other two alone to run');
    const revoked = Object.values(await app.inspect(ask).revoked()).flat();
    assert.deepEqual(
      revoked.sort(),
      sent
        .slice(0, 2)
        .map(({ id }) => id)
        .sort(),
    );
  });
});

/** What was changed at runtime, as the node tells it. */
async function stateOf(app: Celeriac, node: string) {
  const [stats, queues, conf, limits] = await Promise.all([
    app.inspect(ask).stats(),
    app.inspect(ask).activeQueues(),
    app.inspect(ask).conf(),
    app.sendTask<unknown>('limits').then((result) => result.get({ timeout: '60s' })),
  ]);
  const own = conf[node] as { worker: { autoscale?: object } };
  return {
    concurrency: (stats[node] as NodeStats).concurrency,
    queues: queues[node],
    autoscale: own.worker.autoscale,
    limits,
  };
}

/** Changes all that can be changed, then lets `disturb` do its work: everything must be as before. */
async function survives(t: TestContext, server: RedisServer, disturb: () => Promise<void>): Promise<void> {
  const { app, worker, lines } = testApp(t, { broker: server.url });
  app.task('limits', function () {
    return [this.request.softTimeLimit, this.request.timeLimit];
  });
  const starts: number[] = [];
  const rated = app.task('rated', () => void starts.push(performance.now()));
  const { node } = await worker({ name: 'kept', concurrency: 2 });
  await app.control.poolGrow(3, ask);
  await app.control.addConsumer('mail', { ...ask, concurrency: 7 });
  await app.control.addConsumer('extra', ask);
  await app.control.cancelConsumer('extra', ask);
  await app.control.timeLimit('limits', '40s', '50s', ask);
  await app.control.rateLimit('rated', '2/h', ask);
  await app.control.autoscale(9, 5, ask);
  await app.control.loglevel('error', ask);
  const wanted = await stateOf(app, node);
  assert.deepEqual(wanted, {
    concurrency: 5,
    queues: [
      { name: 'celeriac', concurrency: 5 },
      { name: 'mail', concurrency: 7 },
    ],
    autoscale: { max: 9, min: 5 },
    limits: [40_000, 50_000],
  });
  await (await rated.delay()).get({ timeout: '20s' });
  await disturb();
  const back = async () => (await app.inspect(ask).ping())[node] === 'pong';
  await until(() => back().catch(() => false), 'the node to be back', 60_000);
  assert.deepEqual(await stateOf(app, node), wanted);
  const mail = await app.sendTask('limits', [], { queue: 'mail' });
  assert.deepEqual(await mail.get({ timeout: '60s' }), wanted.limits);
  // At two an hour the second has to wait, whatever the broker remembers.
  const held = await rated.delay();
  await (await app.sendTask('limits')).get({ timeout: '60s' });
  await until(async () => (await held.status) === 'PENDING', 'it to be in its lane');
  assert.equal(starts.length, 1);
  const quiet = lines.filter(({ message, level }) => level === 'info' && /task succeeded/.test(message));
  const before = quiet.length;
  await (await app.sendTask('limits')).get({ timeout: '60s' });
  assert.equal(
    lines.filter(({ message, level }) => level === 'info' && /task succeeded/.test(message)).length,
    before,
    'the log level holds',
  );
}

describe('What was changed at runtime', () => {
  it('survives that the broker kills all connections', async (t) => {
    await survives(t, redis, async () => {
      const admin = new Redis(redis.url);
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes');
      admin.disconnect();
    });
  });

  it('survives a restart of the broker with its data', async (t) => {
    const server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    t.after(() => within(server.close(), 'the end of the server'));
    await survives(t, server, async () => {
      await server.stop();
      await server.start();
    });
  });

  it('survives a restart of a broker that lost its data', async (t) => {
    const server = await startRedis();
    t.after(() => within(server.close(), 'the end of the server'));
    await survives(t, server, async () => {
      await server.stop('SIGKILL');
      await server.start();
    });
  });
});
