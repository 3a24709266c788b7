/** The outbox: rows of committed transactions become tasks, once each, on any broker. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { CeleriacOptions } from 'celeriac';
import pg from 'pg';
import type { Envelope } from '#src/queue/producer.js';
import { type StoredCall, writeCall } from '#src/transactions/outbox/calls.js';
import { insertion } from '#src/transactions/outbox/table.js';
import { type Ground, onEveryEngine, until } from '../support/app.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';

describe('The outbox', {
  skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
}, () => {
  let server: PostgresServer;
  let users: pg.Pool;

  before(async () => {
    server = await startPostgres();
    users = new pg.Pool({ connectionString: server.url });
    users.on('error', () => undefined);
  });
  after(async () => {
    await users.end();
    await server.close();
  });

  onEveryEngine(
    (ground) => {
      it('relays what was committed, in the order of the calls, and nothing else', async (t) => {
        const { app, prefix, worker } = await opened(t, ground);
        const ran: unknown[] = [];
        app.task('note', (n: number) => void ran.push(n));
        const client = await users.connect();
        await client.query('BEGIN');
        await client.query(insertion(prefix, [row(task(prefix, 1)), row(task(prefix, 2))]));
        await client.query('COMMIT');
        await client.query('BEGIN');
        await client.query(insertion(prefix, [row(task(prefix, 3))]));
        await client.query('ROLLBACK');
        client.release();
        assert.deepEqual(
          { ...(await app.outbox.counts()), oldestMs: 0 },
          { waiting: 2, setAside: 0, oldestMs: 0 },
        );
        await worker({ concurrency: 1 });
        await until(() => ran.length === 2, 'both tasks');
        assert.deepEqual(ran, [1, 2]);
        await until(async () => (await app.outbox.counts()).waiting === 0, 'an empty outbox');
      });

      it('relays at the notice of a commit, while the worker runs', async (t) => {
        const { app, prefix, worker } = await opened(t, ground);
        const ran: unknown[] = [];
        app.task('note', (n: number) => void ran.push(n));
        await worker();
        for (let n = 1; n <= 3; n++) {
          await users.query(insertion(prefix, [row(task(prefix, n))]));
          await until(() => ran.length === n, `task ${n}`);
        }
      });

      it('sets aside what cannot be read, and goes on behind it', async (t) => {
        const { app, prefix, lines } = await opened(t, ground);
        await users.query(insertion(prefix, [{ key: randomUUID(), calls: 'no JSON' }, row(task(prefix, 1))]));
        assert.equal(await app.outbox.drain(), 2);
        const counts = await app.outbox.counts();
        assert.deepEqual([counts.waiting, counts.setAside], [0, 1]);
        const [entry, ...others] = await app.outbox.setAside();
        assert.match(entry?.reason ?? '', /^It cannot be read/);
        assert.deepEqual(others, []);
        assert.equal((await app.queues.list())[0]?.waiting, 1);
        assert(lines.some(({ level, message }) => level === 'error' && message.includes('set aside')));
        assert.deepEqual(await app.outbox.retry(['no such row']), []);
        assert.deepEqual(await app.outbox.retry(), [entry?.id]);
        assert.equal(await app.outbox.drain(), 1);
        assert.equal((await app.outbox.counts()).setAside, 1);
      });

      it('keeps the rows of relayed calls for as long as it is told', async (t) => {
        const { app, prefix, twin } = await opened(t, ground, { outboxKeep: '1h' });
        await users.query(insertion(prefix, [row(task(prefix, 1))]));
        assert.equal(await app.outbox.drain(), 1);
        assert.equal(await app.outbox.drain(), 0);
        const kept = async () =>
          (await users.query('SELECT count(*) FROM celeriac_outbox WHERE app = $1', [prefix])).rows[0].count;
        assert.equal(await kept(), '1');
        const shorter = twin({ outboxKeep: 0 });
        const relay = await shorter.outbox.relay();
        await until(async () => (await kept()) === '0', 'the end of the kept row');
        await relay.stop();
      });
    },
    ['redis', 'memory', 'postgres'],
  );

  async function opened(t: TestContext, ground: Ground, options: CeleriacOptions = {}) {
    const made = ground.app(t, { outbox: server.url, ...options });
    await made.app.outbox.migrate();
    return made;
  }
});

function task(prefix: string, n: number, fields: Partial<Envelope> = {}): StoredCall {
  const id = `${randomUUID()}`;
  const envelope: Envelope = {
    taskId: id,
    jobId: id,
    queue: 'celeriac',
    name: 'note',
    data: JSON.stringify({ v: 1, args: [n] }),
    sentAt: Date.now(),
    delayMs: 0,
    priority: 0,
    ...fields,
  };
  assert(prefix);
  return { kind: 'tasks', envelopes: [envelope] };
}

function row(call: StoredCall) {
  return { key: randomUUID(), calls: writeCall(call) };
}
