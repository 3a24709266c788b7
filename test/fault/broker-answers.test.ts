/**
 * What a broker may answer to the write of an outcome, produced on real servers while tasks of every kind end: a body that
 * has ended never becomes the broker's error. Its outcome is written later, or the task is delivered again.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type AsyncResult, type Celeriac, chain } from 'celeriac';
import { Redis } from 'ioredis';
import pg from 'pg';
import { pause, testApp, until, within } from '../support/app.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { type RedisCluster, startCluster } from '../support/redis-cluster.js';

/** Makes the broker answer so for a moment, and well again. */
type Trouble = () => Promise<void>;

/** So many calls are made while the broker is troubled. */
const CALLS = process.env.CELERIAC_CAMPAIGN === undefined ? 90 : 3000;
const TROUBLES = process.env.CELERIAC_CAMPAIGN === undefined ? 3 : 60;

/** Calls tasks of every kind under trouble; every call that was accepted ends with what its body returned. */
async function endWell(t: TestContext, url: string, trouble: Trouble): Promise<void> {
  const { app, worker } = testApp(t, { broker: url, migrate: true, lockDuration: '3s', publishRetry: '2s' });
  const bodies = kindsOf(app);
  await worker({ concurrency: 20 });
  const results: Promise<AsyncResult<unknown> | undefined>[] = [];
  let over = false;
  const troubles = (async () => {
    for (let i = 0; i < TROUBLES; i++) {
      await pause(30);
      await trouble();
    }
    over = true;
  })();
  for (let i = 0; i < CALLS || !over; i++) {
    const send = bodies[i % bodies.length];
    // Refused is no promise.
    if (send !== undefined && i < CALLS * 5) results.push(send(i).catch(() => undefined));
    await pause(3);
  }
  await troubles;
  const accepted = (await Promise.all(results)).filter((result) => result !== undefined);
  assert(
    accepted.length >= CALLS / 10,
    `only ${accepted.length} were accepted: too much trouble to show anything`,
  );
  const ends = await within(
    Promise.all(accepted.map((result) => result.get({ propagate: false }))),
    'what was accepted',
    120_000,
  );
  const wrong = ends.filter((end) => end instanceof Error);
  assert.deepEqual(
    wrong.map((error) => String(error.cause ?? error)),
    [],
  );
}

function kindsOf(app: Celeriac): readonly ((i: number) => Promise<AsyncResult<unknown>>)[] {
  const body = async (i: number) => {
    await pause(Math.random() * 8);
    return i;
  };
  const plain = app.task('plain', body);
  const keyed = app.task('keyed', { concurrency: { key: (i) => `${Number(i) % 3}`, limit: 4 } }, body);
  const limited = app.task('limited', { rateLimit: '500/s' }, body);
  const again = app.task('again', { retryBackoff: 1, retryJitter: false }, async function (i: number) {
    if (this.request.retries < 1) this.retry({ countdown: 5 });
    return i;
  });
  let ids = 0;
  return [
    (i) => plain.delay(i),
    (i) => plain.applyAsync([i], { taskId: `own/${ids++}` }),
    (i) => keyed.delay(i),
    (i) => limited.delay(i),
    (i) => again.delay(i),
    (i) => chain(plain.s(i), plain.s()).delay(),
  ];
}

describe('A task that has ended, whatever Redis answers', () => {
  let server: RedisServer;
  let other: RedisServer;
  let admin: Redis;
  before(async () => {
    [server, other] = await Promise.all([startRedis(), startRedis()]);
    admin = new Redis(server.url, { maxRetriesPerRequest: null });
    admin.on('error', () => undefined);
  });
  after(async () => {
    admin.disconnect();
    await Promise.all([server.close(), other.close()]);
  });
  const config = async (key: string, bad: string, good: string) => {
    await admin.config('SET', key, bad);
    await pause(60);
    await admin.config('SET', key, good);
  };
  const troubles: Readonly<Record<string, Trouble>> = {
    'READONLY and MASTERDOWN': async () => {
      await admin.replicaof('127.0.0.1', other.port);
      await pause(60);
      await admin.replicaof('NO', 'ONE');
    },
    BUSY: async () => {
      await admin.config('SET', 'busy-reply-threshold', '1');
      const script = admin.duplicate();
      // Long enough to be busy, short enough to end by itself.
      await script
        .eval("local n = redis.call('TIME')[1] for i = 1, 6000000 do n = n + i end return n", 0)
        .catch(() => undefined);
      script.disconnect();
    },
    OOM: () => config('maxmemory', '1', '0'),
    NOREPLICAS: () => config('min-replicas-to-write', '1', '0'),
    NOSCRIPT: async () => {
      await admin.script('FLUSH');
    },
    'a closed connection': async () => {
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
  };
  for (const [answer, trouble] of Object.entries(troubles))
    it(`ends as its body did: ${answer}`, (t) => endWell(t, server.url, trouble));

  it('ends as its body did: MISCONF', async (t) => {
    // Where its folder cannot be written a save fails, and with it every write until one succeeds.
    const failing = await startRedis(['--save', '3600 1', '--enable-protected-configs', 'yes']);
    t.after(() => failing.close());
    const client = new Redis(failing.url);
    t.after(() => client.disconnect());
    const [, folder = '/tmp'] = (await client.config('GET', 'dir')) as string[];
    const save = async (dir: string) => {
      await client.config('SET', 'dir', dir);
      await until(
        () =>
          client.bgsave().then(
            () => true,
            () => false,
          ),
        'a save that begins',
      );
      await until(async () => /rdb_bgsave_in_progress:0/.test(await client.info('persistence')), 'its end');
    };
    await endWell(t, failing.url, async () => {
      await save('/proc/self');
      await save(folder);
    });
  });

  it('ends as its body did: LOADING', async (t) => {
    const durable = await startRedis([
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
      '--key-load-delay',
      '200',
    ]);
    t.after(() => durable.close());
    await endWell(t, durable.url, async () => {
      await durable.stop('SIGKILL');
      await durable.start();
      await pause(100);
    });
  });
});

describe('A task that has ended, whatever a Cluster answers', () => {
  let cluster: RedisCluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster.close());

  it('ends as its body did: MOVED, ASK and TRYAGAIN while its slot moves to and fro', async (t) => {
    const clients = cluster.nodes.map(({ port }) => new Redis({ host: '127.0.0.1', port }));
    t.after(() => {
      for (const client of clients) client.disconnect();
    });
    const ids = await Promise.all(clients.map(async (client) => String(await client.cluster('MYID'))));
    let slot: number | undefined;
    await endWell(t, cluster.url, async () => {
      slot ??= await busiestSlot(clients);
      const from = await ownerOf(clients[0] as Redis, slot, ids);
      const to = (from + 1) % clients.length;
      await migrate(clients as Redis[], ids, slot, from, to);
    });
  });

  it('ends as its body did: CLUSTERDOWN while a master is away', async (t) => {
    const [first] = cluster.nodes;
    assert(first !== undefined);
    await endWell(t, cluster.url, async () => {
      const client = new Redis({ host: '127.0.0.1', port: first.port });
      await client.call('DEBUG', 'SLEEP', '0.05').catch(() => undefined);
      client.disconnect();
    });
  });
});

/** The slot that holds what was sent: one prefix lives in one. */
async function busiestSlot(clients: readonly Redis[]): Promise<number> {
  for (const client of clients) {
    const keys = await client.keys('*');
    const [key] = keys;
    if (key !== undefined) return Number(await client.cluster('KEYSLOT', key));
  }
  throw new Error('the cluster is empty');
}

async function ownerOf(client: Redis, slot: number, ids: readonly string[]): Promise<number> {
  const ranges = await client.cluster('SLOTS');
  const owner = ranges.find(([first, last]) => first <= slot && slot <= last)?.[2]?.[2];
  return ids.indexOf(String(owner));
}

/** Moves one slot, a few keys at a time, as redis-cli does. */
async function migrate(
  clients: readonly Redis[],
  ids: readonly string[],
  slot: number,
  from: number,
  to: number,
): Promise<void> {
  const [source, target] = [clients[from], clients[to]];
  const [sourceId, targetId] = [ids[from], ids[to]];
  if (source === undefined || target === undefined || sourceId === undefined || targetId === undefined)
    return;
  await target.cluster('SETSLOT', slot, 'IMPORTING', sourceId);
  await source.cluster('SETSLOT', slot, 'MIGRATING', targetId);
  for (;;) {
    const keys = (await source.cluster('GETKEYSINSLOT', slot, 20)) as string[];
    if (keys.length === 0) break;
    await source.call('MIGRATE', '127.0.0.1', `${target.options.port}`, '', '0', '5000', 'KEYS', ...keys);
  }
  await target.cluster('SETSLOT', slot, 'NODE', targetId);
  await source.cluster('SETSLOT', slot, 'NODE', targetId);
  for (const client of clients)
    await client.cluster('SETSLOT', slot, 'NODE', targetId).catch(() => undefined);
}

describe('A task that has ended, whatever PostgreSQL answers', {
  skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
}, () => {
  let server: PostgresServer;
  let admin: pg.Client;
  before(async () => {
    server = await startPostgres();
    admin = new pg.Client({ connectionString: server.url });
    admin.on('error', () => undefined); // the server is stopped in one of the tests
    await admin.connect();
  });
  after(async () => {
    await admin.end().catch(() => undefined);
    await server.close();
  });
  const others = "backend_type = 'client backend' AND pid <> pg_backend_pid()";
  /** Every write of an outcome fails with this state, for a moment. */
  const raise = async (state: string) => {
    const { rows } = await admin.query<{ schema: string }>(
      "SELECT n.nspname AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'job' AND c.relkind IN ('r', 'p') ORDER BY c.oid DESC LIMIT 1",
    );
    const schema = rows[0]?.schema;
    if (schema === undefined) return;
    await admin.query(`
      CREATE OR REPLACE FUNCTION "${schema}".in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '${state}'; END $$;
      CREATE OR REPLACE TRIGGER in_the_way BEFORE UPDATE OR DELETE ON "${schema}".job
      FOR EACH ROW EXECUTE FUNCTION "${schema}".in_the_way();`);
    await pause(60);
    await admin.query(`DROP TRIGGER in_the_way ON "${schema}".job`);
  };
  const troubles: Readonly<Record<string, Trouble>> = {
    '57014, a cancelled statement': async () => {
      for (let i = 0; i < 10; i++) {
        await admin.query(
          `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND ${others}`,
        );
        await pause(5);
      }
    },
    '25006, a database that is only read': async () => {
      await admin.query('ALTER SYSTEM SET default_transaction_read_only = on');
      await admin.query('SELECT pg_reload_conf()');
      await pause(60);
      await admin.query('SET default_transaction_read_only = off');
      await admin.query('ALTER SYSTEM RESET default_transaction_read_only');
      await admin.query('SELECT pg_reload_conf()');
    },
    '57P01, an ended connection': async () => {
      await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${others}`);
    },
    ...Object.fromEntries(
      ['40001', '40P01', '55P03', '53300', '57P02', '53100'].map((state) => [
        `${state}, raised`,
        () => raise(state),
      ]),
    ),
  };
  for (const [answer, trouble] of Object.entries(troubles))
    it(`ends as its body did: ${answer}`, (t) => endWell(t, server.url, trouble));

  it('ends as its body did: 57P03, a server that starts up', async (t) => {
    await admin.end();
    await endWell(t, server.url, async () => {
      await server.stop('SIGKILL');
      await server.start();
      await pause(100);
    });
  });
});
