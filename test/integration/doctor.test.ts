/**
 * The doctor: what it finds on healthy brokers and on ones with something wrong, and what it says to do.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Diagnosis, Finding } from 'celeriac';
import { onEveryEngine, testApp, uniqueName } from '../support/app.js';
import { startCluster } from '../support/cluster.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';
import { type RedisServer, startRedis } from '../support/redis.js';

// What a test awaits of a server need not keep the process alive.
const alive = setInterval(() => undefined, 1000);
after(() => clearInterval(alive));

const of = ({ findings }: Diagnosis, check: string): Finding[] =>
  findings.filter((finding) => finding.check === check);
const severities = (diagnosis: Diagnosis, check: string) =>
  of(diagnosis, check).map(({ severity }) => severity);

describe('The doctor', () => {
  onEveryEngine((ground) => {
    it('finds nothing wrong where nothing is, and misses a worker where there is none', async (t) => {
      const { app, worker } = ground.app(t);
      const alone = await app.doctor();
      assert.deepEqual([alone.healthy, alone.reachable], [true, true]);
      assert.match(of(alone, 'workers')[0]?.advice ?? '', /celeriac -A <module> worker/);
      await worker({ name: 'one' });
      const diagnosis = await app.doctor();
      for (const check of ['version', 'latency', 'clock', 'workers', 'queues'])
        assert.deepEqual(severities(diagnosis, check), ['ok'], `${check}: ${JSON.stringify(diagnosis)}`);
      assert.match(of(diagnosis, 'workers')[0]?.found ?? '', /^1 answered: one$/);
      assert.ok(
        diagnosis.findings.every(({ severity, advice }) => (severity === 'ok') === (advice === undefined)),
      );
    });

    it('names queues that nobody takes from, and paused ones, with what waits in them', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('noop', () => undefined);
      await worker();
      await task.applyAsync([], { queue: 'lonely' });
      await app.control.pause('celeriac');
      await task.delay();
      const found = of(await app.doctor(), 'queues').map(({ found: text }) => text);
      assert.deepEqual(found, [
        '"celeriac" is paused with 1 waiting',
        '"lonely" has 1 waiting, and no worker takes from it',
      ]);
    });
  });

  describe('on Redis', () => {
    let server: RedisServer;
    before(async () => {
      server = await startRedis(['--maxmemory', '200mb', '--maxmemory-policy', 'allkeys-lru']);
    });
    after(() => server.close());

    it('calls eviction a problem, and no append-only file a warning', async (t) => {
      const { app } = testApp(t, { broker: server.url });
      const diagnosis = await app.doctor();
      assert.equal(diagnosis.healthy, false);
      const [eviction] = of(diagnosis, 'eviction');
      assert.equal(eviction?.severity, 'problem');
      assert.match(`${eviction.found} ${eviction.advice}`, /allkeys-lru .*noeviction/);
      assert.deepEqual(severities(diagnosis, 'persistence'), ['warning']);
      assert.match(of(diagnosis, 'persistence')[0]?.advice ?? '', /appendonly/);
    });

    it('tells a broker that is away from one that refuses', async (t) => {
      const away = testApp(t, { broker: 'redis://127.0.0.1:1', publishRetry: '300ms' });
      const silent = await away.app.doctor();
      assert.deepEqual([silent.healthy, silent.reachable], [false, false]);
      assert.equal(silent.findings[0]?.check, 'connection');
      const locked = await startRedis(['--requirepass', 'secret']);
      t.after(() => locked.close());
      const { app } = testApp(t, { broker: locked.url });
      const refused = await app.doctor();
      assert.deepEqual([refused.healthy, refused.reachable], [false, true]);
      assert.equal(refused.findings.at(-1)?.check, 'access');
    });

    it('names the address of a Cluster that does not answer', async (t) => {
      const cluster = await startCluster();
      t.after(() => cluster.close());
      const { app } = testApp(t, { broker: `${cluster.url},127.0.0.1:1` });
      const diagnosis = await app.doctor();
      assert.deepEqual(severities(diagnosis, 'address'), ['ok', 'warning']);
      assert.match(of(diagnosis, 'address')[1]?.found ?? '', /^127\.0\.0\.1:1 does not answer/);
      assert.equal(diagnosis.reachable, true);
    });

    it('finds locks that are too short for the way to the broker', async (t) => {
      const far = await slowWayTo(server.port, 60);
      t.after(() => far.close());
      const { app } = testApp(t, { broker: `redis://127.0.0.1:${far.port}`, lockDuration: '500ms' });
      const [latency] = of(await app.doctor(), 'latency');
      assert.equal(latency?.severity, 'problem');
      assert.match(`${latency.found} ${latency.advice}`, /locks last 500 ms .*lockDuration/);
    });
  });

  describe('on PostgreSQL', { skip: postgresBinaries() === undefined ? 'not installed' : false }, () => {
    let server: PostgresServer;
    before(async () => {
      server = await startPostgres();
    });
    after(() => server.close());

    it('says when the schema is not there, and what to run', async (t) => {
      const { app } = testApp(t, { broker: server.url, prefix: uniqueName() });
      const missing = await app.doctor();
      assert.deepEqual([missing.healthy, missing.reachable], [false, true]);
      assert.match(of(missing, 'schema')[0]?.advice ?? '', /celeriac migrate/);
      await app.migrate();
      const there = await app.doctor();
      assert.deepEqual(severities(there, 'schema'), ['ok']);
      assert.deepEqual(severities(there, 'role'), ['ok']);
      assert.deepEqual(severities(there, 'connections'), ['ok']);
    });
  });
});

/** A way to a local port on which every answer takes at least `delayMs`. */
async function slowWayTo(port: number, delayMs: number): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const way = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => [near, far].map((end) => end.destroy()));
    }
    near.pipe(far);
    far.on('data', (chunk) => setTimeout(() => near.writable && near.write(chunk), delayMs));
  });
  way.listen(0, '127.0.0.1');
  await once(way, 'listening');
  return {
    port: (way.address() as AddressInfo).port,
    close: () => {
      way.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
