/** The outbox: calls of committed transactions become tasks, once each, on any broker. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Celeriac, type CeleriacOptions, chain, chord, group } from 'celeriac';
import { fromKnex } from 'celeriac/transactions';
import knex from 'knex';
import pg from 'pg';
import { type Ground, onEveryEngine, rejection, until } from '../support/app.js';
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
        const { app, note, ran, worker } = await opened(t, ground);
        const [one, two] = await committed(async (client) => [
          await note.applyAsync([1], { transaction: client }),
          await note.applyAsync([2], { transaction: client }),
        ]);
        await rolledBack(async (client) => {
          await note.applyAsync([3], { transaction: client });
        });
        await committed(async (client) => {
          await client.query('SAVEPOINT before');
          await note.applyAsync([4], { transaction: client });
          await client.query('ROLLBACK TO SAVEPOINT before');
        });
        const { waiting, setAside } = await app.outbox.counts();
        assert.deepEqual([waiting, setAside], [2, 0]);
        assert.equal((await one?.snapshot())?.known, false);
        assert.match((await rejection(Promise.resolve(two?.get()))).message, /commit/);
        await worker({ concurrency: 1 });
        await emptied(app);
        assert.deepEqual([await one?.get(), await two?.get()], ['ran 1', 'ran 2']);
        assert.deepEqual(ran, [1, 2]);
      });

      it('relays at the commit, while a worker runs', async (t) => {
        const { note, ran, worker } = await opened(t, ground);
        await worker();
        for (let n = 1; n <= 3; n++) {
          await committed((client) => note.applyAsync([n], { transaction: client }));
          await until(() => ran.length === n, `task ${n}`);
        }
      });

      it('carries options, ids, keys, many at once and workflows', async (t) => {
        const { app, note, ran, worker } = await opened(t, ground);
        const join = app.task('join', (parts: string[]) => parts.join('+'));
        const end = app.task('end', (text: string) => `${text}!`);
        const made = await committed(async (client) => {
          const transaction = client;
          return {
            own: await note.applyAsync([1], { transaction, taskId: 'order 1', priority: 5, tags: ['a'] }),
            unique: await note.applyAsync([2], { transaction, unique: { mode: 'reject' } }),
            many: await app.publish([note.s(3), note.s(4), note.s(5).set({ taskId: 'order 5' })], {
              transaction,
            }),
            chain: await chain(note.s(6), end.s()).applyAsync([], { transaction }),
            chord: await chord(group(note.s(7), note.s(8)), join.s()).applyAsync([], { transaction }),
            linked: await note.applyAsync([9], { transaction, link: end.s() }),
            empty: await chain(group(), join.s()).applyAsync([], { transaction }),
          };
        });
        await worker();
        await emptied(app);
        assert.equal(await made.own.get(), 'ran 1');
        assert.deepEqual((await made.own.snapshot()).id, 'order 1');
        assert.equal(await made.unique.get(), 'ran 2');
        assert.deepEqual(await Promise.all(made.many.map((each) => each.get())), ['ran 3', 'ran 4', 'ran 5']);
        assert.equal(await made.chain.get(), 'ran 6!');
        assert.equal(await made.chord.get(), 'ran 7+ran 8');
        assert.equal(await made.linked.get(), 'ran 9');
        assert.equal(await made.empty.get(), '');
        assert.deepEqual([...ran].sort(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
      });

      it('is written by a library that reads question marks in statements as parameters', async (t) => {
        const { app, prefix } = await opened(t, ground);
        const said: string[] = [];
        const say = app.task('say', (text: string) => void said.push(text));
        const db = knex({ client: 'pg', connection: server.url });
        t.after(() => db.destroy());
        const odd = `what? $1 :name \\? it's "so" \\n`;
        await db.transaction(async (trx) => {
          await say.applyAsync([odd], { transaction: fromKnex(trx) });
        });
        const worker = app.worker({ concurrency: 1 });
        await worker.start();
        await until(() => said.length === 1, `the task of ${prefix}`);
        assert.deepEqual(said, [odd]);
      });

      it('counts a delay and an expiry from the call', async (t) => {
        const { app, note, ran, worker } = await opened(t, ground);
        const before = Date.now();
        const [late, later] = await committed(async (client) => [
          await note.applyAsync([1], { transaction: client, expires: 1 }),
          await note.applyAsync([2], { transaction: client, countdown: '1h' }),
        ]);
        await until(() => Date.now() > before + 50, 'the expiry');
        await app.outbox.drain();
        await worker();
        assert.match((await rejection(Promise.resolve(late?.get()))).message, /expired/);
        const job = await later?.snapshot();
        assert(job?.sentAt !== undefined && job.sentAt.getTime() < before + 3_600_000);
        const [queued] = await app
          .inspect()
          .scheduled()
          .then(Object.values)
          .catch(() => []);
        assert(queued !== undefined || job.state === 'PENDING');
        assert.deepEqual(ran, []);
      });

      it('refuses an id or a key that is known to be taken, and sets aside what turns out to be', async (t) => {
        const { app, note, ran, worker } = await opened(t, ground);
        await committed((client) => note.applyAsync([1], { transaction: client, taskId: 'order 1' }));
        await committed((client) => note.applyAsync([2], { transaction: client, taskId: 'order 1' }));
        await committed((client) => note.applyAsync([3], { transaction: client, taskId: 'order 3' }));
        assert.equal(await app.outbox.drain(), 3);
        const [entry, ...others] = await app.outbox.setAside();
        assert.deepEqual(others, []);
        assert.deepEqual(entry?.tasks, [{ id: 'order 1', name: 'note' }]);
        assert.match(entry?.reason ?? '', /"order 1" is taken/);
        await rolledBack(async (client) => {
          const again = note.applyAsync([4], { transaction: client, taskId: 'order 3' });
          assert.match((await rejection(again)).message, /"order 3" is taken/);
        });
        const unique = { mode: 'reject' } as const;
        const held = await note.applyAsync([5], { unique, countdown: '1h' });
        await rolledBack(async (client) => {
          const again = note.applyAsync([5], { transaction: client, unique });
          assert.match((await rejection(again)).message, /is unique/);
        });
        await committed(async (client) => {
          const same = await note.applyAsync([5], { transaction: client, unique: { mode: 'return' } });
          assert.equal(same.id, held.id);
        });
        const newer = await committed((client) =>
          note.applyAsync([5], { transaction: client, unique: { mode: 'replace' } }),
        );
        assert.equal((await held.snapshot()).state, 'PENDING');
        await worker();
        await emptied(app);
        assert.equal(await newer.get(), 'ran 5');
        assert.equal((await held.snapshot()).state, 'REVOKED');
        assert.deepEqual([...ran].sort(), [1, 3, 5]);
        assert.deepEqual(await app.outbox.retry(['order 1']), [entry?.id]);
        await until(async () => (await app.outbox.counts()).setAside === 1, 'the row set aside again');
      });

      it('sets aside what cannot be read, and goes on behind it', async (t) => {
        const { app, note, prefix, lines } = await opened(t, ground);
        await users.query(
          "INSERT INTO celeriac_outbox (app, key, format, calls) VALUES ($1, 'k', 1, 'no JSON')",
          [prefix],
        );
        await committed((client) => note.applyAsync([1], { transaction: client }));
        assert.equal(await app.outbox.drain(), 2);
        const counts = await app.outbox.counts();
        assert.deepEqual([counts.waiting, counts.setAside], [0, 1]);
        const [entry] = await app.outbox.setAside();
        assert.match(entry?.reason ?? '', /^It cannot be read/);
        assert.equal((await app.queues.list())[0]?.waiting, 1);
        assert(lines.some(({ level, message }) => level === 'error' && message.includes('set aside')));
        assert.deepEqual(await app.outbox.retry(['no such row']), []);
        assert.deepEqual(await app.outbox.retry(), [entry?.id]);
        assert.equal(await app.outbox.drain(), 1);
        assert.equal((await app.outbox.counts()).setAside, 1);
      });

      it('leaves rows of a later format to later relays', async (t) => {
        const { app, prefix } = await opened(t, ground);
        await users.query("INSERT INTO celeriac_outbox (app, key, format, calls) VALUES ($1, 'k', 2, '?')", [
          prefix,
        ]);
        assert.equal(await app.outbox.drain(), 0);
        assert.equal((await app.outbox.counts()).waiting, 1);
      });

      it('keeps the rows of relayed calls for as long as it is told', async (t) => {
        const { app, note, prefix, twin } = await opened(t, ground, { outboxKeep: '1h' });
        await committed((client) => note.applyAsync([1], { transaction: client }));
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

      it('refuses a client that is in no transaction, or in an aborted one', async (t) => {
        const { app, note } = await opened(t, ground);
        const client = await users.connect();
        try {
          const outside = note.applyAsync([1], { transaction: client });
          assert.match((await rejection(outside)).message, /in no transaction/);
          await client.query('BEGIN');
          await client.query('SELECT 1 / 0').catch(() => undefined);
          const aborted = note.applyAsync([1], { transaction: client });
          assert.match((await rejection(aborted)).message, /aborted/);
          await client.query('ROLLBACK');
        } finally {
          client.release();
        }
        assert.equal((await app.outbox.counts()).waiting, 0);
      });
    },
    ['redis', 'memory'],
  );

  async function opened(t: TestContext, ground: Ground, options: CeleriacOptions = {}) {
    const made = ground.app(t, { outbox: server.url, ...options });
    await made.app.outbox.migrate();
    const ran: number[] = [];
    const note = noteIn(made.app, ran);
    return { ...made, note, ran };
  }

  async function inTransaction<R>(
    end: 'COMMIT' | 'ROLLBACK',
    body: (client: pg.PoolClient) => Promise<R>,
  ): Promise<R> {
    const client = await users.connect();
    try {
      await client.query('BEGIN');
      const result = await body(client);
      await client.query(end);
      return result;
    } finally {
      client.release();
    }
  }

  const committed = <R>(body: (client: pg.PoolClient) => Promise<R>) => inTransaction('COMMIT', body);
  const rolledBack = <R>(body: (client: pg.PoolClient) => Promise<R>) => inTransaction('ROLLBACK', body);
});

function emptied(app: Celeriac) {
  return until(async () => (await app.outbox.counts()).waiting === 0, 'an empty outbox');
}

function noteIn(app: Celeriac, ran: number[]) {
  return app.task('note', (n: number) => {
    ran.push(n);
    return `ran ${n}`;
  });
}
