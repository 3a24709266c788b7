/**
 * Results of several megabytes: they arrive, here and elsewhere, and BullMQ's event stream keeps none of them; nor of
 * results that are ignored.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ConnectionOptions, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import { type Ground, onEveryEngine, until } from '../support/app.js';

const SOON = { timeout: '60s' } as const;
const MB = 2 ** 20;
const QUEUE = 'celeriac';

/** What the event stream of the queue holds. */
interface Stream {
  bytes(): Promise<number>;
  text(): Promise<string>;
  events(name: string): Promise<number>;
  /** What another program writes there. */
  add(name: string, jobId: string, data: string): Promise<unknown>;
}

describe('Results of several megabytes', { timeout: 240_000 }, () => {
  onEveryEngine(
    (ground) => {
      it('arrive, all at once too, and do not stay in the event stream', async (t) => {
        const { app, prefix, worker, twin } = ground.app(t);
        const stream = streamOf(t, ground, prefix);
        // No two alike, so that nothing compresses them.
        const text = (n: number) => `${n} ${Math.random()}`.repeat(3 * MB).slice(0, 3 * MB);
        const big = app.task('big', text);
        const elsewhere = twin();
        await app.migrate();
        await stream.add('progress', 'theirs', 'x'.repeat(50_000));
        const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => big.delay(n)));
        const waits = sent.map((result) => elsewhere.result<string>(result.id).get(SOON));
        await worker();
        for (const [n, value] of (await Promise.all(waits)).entries()) {
          assert.equal(value.length, 3 * MB);
          assert.ok(value.startsWith(`${n} `));
        }
        await until(async () => (await stream.bytes()) < MB, 'an event stream without results');
        assert.equal(await stream.events('progress'), 1, "another program's event stays, large as it is");
        assert.ok((await stream.events('active')) >= 20, 'other events stay');
        // All have ended: they are read together.
        const again = await Promise.all(sent.map((result) => result.get(SOON)));
        assert.equal(again.join('').length, 60 * MB);
        assert.equal((await elsewhere.result<string>(sent[7]?.id ?? '').snapshot()).value?.length, 3 * MB);
      });

      it('are still told, small ones too, to whoever listens to the event stream', async (t) => {
        const { app, prefix, worker } = ground.app(t);
        if (ground.engine !== 'redis')
          return t.skip('QueueEvents needs a schema named by its connection elsewhere');
        const stream = streamOf(t, ground, prefix);
        const told: number[] = [];
        const { port } = new URL(ground.url);
        const connection: ConnectionOptions = { host: '127.0.0.1', port: Number(port) };
        const events = new QueueEvents(QUEUE, { connection, prefix });
        t.after(() => events.close());
        events.on('completed', ({ returnvalue }) => told.push(String(returnvalue).length));
        await events.waitUntilReady();
        const text = app.task('text', (length: number) => 'x'.repeat(length));
        await worker({ concurrency: 1 });
        for (const length of [2 * MB, 5, 20_000, 10_000]) await (await text.delay(length)).get(SOON);
        await until(() => told.length === 4, 'all four');
        assert.deepEqual(told, [2 * MB, 5, 20_000, 10_000]);
        await until(async () => (await stream.events('completed')) === 2, 'the small ones alone');
      });

      it('and small ones leave nothing anywhere when they are ignored', async (t) => {
        const { app, prefix, worker } = ground.app(t);
        const stream = streamOf(t, ground, prefix);
        const secret = app.task('secret', { ignoreResult: true }, () => 'for nobody');
        const after = app.task('after', () => 1);
        await worker({ concurrency: 1 });
        const sent = await secret.delay();
        assert.equal(await sent.get(SOON), undefined);
        await (await after.delay()).get(SOON);
        await until(async () => !(await sent.exists()), 'its record to go');
        assert.doesNotMatch(await stream.text(), /for nobody/);
        assert.ok((await stream.events('completed')) >= 1);
      });
    },
    ['redis', 'postgres'],
  );
});

function streamOf(t: { after(end: () => unknown): void }, ground: Ground, prefix: string): Stream {
  return ground.engine === 'postgres' ? postgresStream(t, ground, prefix) : redisStream(t, ground, prefix);
}

function redisStream(t: { after(end: () => unknown): void }, ground: Ground, prefix: string): Stream {
  const client = new Redis(ground.url);
  t.after(() => client.disconnect());
  const key = `${prefix}:${QUEUE}:events`;
  const text = async () => JSON.stringify(await client.xrange(key, '-', '+'));
  return {
    text,
    bytes: async () => Number(await client.memory('USAGE', key, 'SAMPLES', 0)),
    events: async (name) => (await text()).split(`"event","${name}"`).length - 1,
    add: (name, jobId, data) => client.xadd(key, '*', 'event', name, 'jobId', jobId, 'data', data),
  };
}

function postgresStream(t: { after(end: () => unknown): void }, ground: Ground, prefix: string): Stream {
  const pool = new pg.Pool({ connectionString: ground.url, max: 1 });
  t.after(() => pool.end());
  const ask = async (what: string): Promise<unknown> =>
    (await pool.query(`SELECT ${what} AS found FROM "${prefix}".event WHERE queue = '${QUEUE}'`)).rows[0]
      .found;
  return {
    text: async () => String(await ask("string_agg(data::text, ' ')")),
    bytes: async () => Number(await ask('sum(octet_length(data::text))')),
    events: async (name) => Number(await ask(`count(*) FILTER (WHERE event = '${name}')`)),
    add: (name, jobId, data) =>
      // No part like another, so that it stays large when it is compressed.
      pool.query(
        `INSERT INTO "${prefix}".event (queue, event, data, created_at_ms)
         SELECT $1, $2, jsonb_build_object('jobId', $3::text, 'data', string_agg(md5(random()::text), '')), 0
           FROM generate_series(1, $4::int / 32)`,
        [QUEUE, name, jobId, data.length],
      ),
  };
}
