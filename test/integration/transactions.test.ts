import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  BrokerError,
  chain,
  chord,
  DuplicateTaskError,
  group,
  OptionError,
  UnknownTaskError,
} from 'celeriac';
import pg from 'pg';
import { rejection, until } from '../support/app.js';
import { postgresBinaries } from '../support/postgres.js';
import { begun, shopOn, transactionGround } from '../support/transactions.js';

const WAIT = { timeout: '20s' } as const;

describe('A call in a transaction', { skip: postgresBinaries() === undefined }, () => {
  const ground = transactionGround();

  it('is there at the commit, together with what the transaction wrote, and not before', async (t) => {
    const { app, ship, worker } = shopOn(t, ground.server.url);
    await worker();
    const client = await begun(t, ground.pool);
    await client.query("INSERT INTO orders VALUES ('one')");
    const sent = await ship.applyAsync(['one'], { transaction: client });
    assert.equal((await sent.snapshot()).known, false);
    const early = await rejection(sent.get(WAIT));
    assert.ok(early instanceof UnknownTaskError);
    assert.match(early.message, /in a transaction that may not be committed yet/);
    assert.equal(await app.result(sent.id).exists(), false);
    await client.query('COMMIT');
    assert.equal(await sent.get(WAIT), 'shipped one');
    assert.equal(await app.result(sent.id).get(WAIT), 'shipped one');
  });

  it('leaves nothing after a rollback, a rollback to a savepoint, and a broken connection', async (t) => {
    const { app, ship } = shopOn(t, ground.server.url);
    const client = await begun(t, ground.pool);
    const rolledBack = await ship.applyAsync(['a'], { transaction: client, taskId: 'mine' });
    await client.query('ROLLBACK; BEGIN');
    const kept = await ship.applyAsync(['b'], { transaction: client });
    await client.query('SAVEPOINT here');
    const undone = await ship.applyAsync(['c'], { transaction: client, taskId: 'mine' });
    const flow = await chain(ship.s('d'), ship.s()).applyAsync([], { transaction: client });
    await client.query('ROLLBACK TO here');
    await client.query('COMMIT');
    const broken = await begun(t, ground.pool);
    const lost = await ship.applyAsync(['e'], { transaction: broken });
    const { rows } = await broken.query('SELECT pg_backend_pid() AS pid');
    await ground.pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
    const gone = await rejection(ship.applyAsync(['f'], { transaction: broken }));
    assert.ok(gone instanceof BrokerError, String(gone));
    for (const none of [rolledBack, undone, flow, lost]) assert.equal(await none.exists(), false);
    assert.equal(await kept.exists(), true);
    assert.deepEqual(
      (await app.queues.list()).map(({ name, waiting }) => [name, waiting]),
      [['celeriac', 1]],
    );
    assert.equal(await (await ship.applyAsync(['g'], { taskId: 'mine' })).exists(), true, 'the id is free');
  });

  it('is refused by a client in no transaction, and sends nothing', async (t) => {
    const { app, ship } = shopOn(t, ground.server.url);
    const client = await ground.pool.connect();
    t.after(() => client.release());
    for (const call of [
      () => ship.applyAsync(['a'], { transaction: client }),
      () => ship.applyAsync(['a'], { transaction: client, taskId: 'mine' }),
      () => group([ship.s('a'), ship.s('b')]).applyAsync([], { transaction: client }),
      () => app.publish([ship.s('a'), ship.s('b')], { transaction: client }),
      () => app.sendTask('ship', ['a'], { transaction: client }),
    ]) {
      const refused = await rejection(call());
      assert.ok(refused instanceof OptionError, String(refused));
      assert.match(refused.message, /is in no transaction, so nothing was sent/);
    }
    assert.equal((await app.queues.list())[0]?.waiting ?? 0, 0);
    for (const wrong of [ground.pool, {}, null, 'BEGIN'])
      assert.ok(
        (await rejection(ship.applyAsync(['a'], { transaction: wrong as never }))) instanceof OptionError,
      );
    await client.query('BEGIN');
    const acceptance = { transaction: client, acceptance: 'replicated' } as const;
    assert.ok((await rejection(ship.applyAsync(['a'], acceptance))) instanceof OptionError);
    await client.query('ROLLBACK');
    assert.throws(() => ship.signature(['a'], { transaction: client } as never), OptionError);
  });

  it('says so where the transaction is aborted already', async (t) => {
    const { ship } = shopOn(t, ground.server.url);
    const client = await begun(t, ground.pool);
    await rejection(client.query('SELECT 1/0'));
    const refused = await rejection(ship.applyAsync(['a'], { transaction: client }));
    assert.ok(refused instanceof BrokerError);
    assert.match(refused.message, /it is aborted, because an earlier statement in it failed/);
  });

  it('may have all options: own ids, delays, priorities, unique keys, headers', async (t) => {
    const { app, ship, worker } = shopOn(t, ground.server.url);
    const client = await begun(t, ground.pool);
    const text = "it's \\ a ? $1 \u0000 {x} \ud800";
    const unique = { mode: 'reject', key: () => 'one' } as const;
    const own = await ship.applyAsync([text], { transaction: client, taskId: text, priority: 3, unique });
    assert.equal(own.id, text);
    const again = await rejection(ship.applyAsync(['b'], { transaction: client, unique }));
    assert.ok(again instanceof DuplicateTaskError);
    const same = await rejection(ship.applyAsync(['b'], { transaction: client, taskId: text }));
    assert.ok(same instanceof DuplicateTaskError);
    const late = await ship.applyAsync(['c'], { transaction: client, countdown: '200ms', expires: '1m' });
    const old = await ship.applyAsync(['d'], {
      transaction: client,
      countdown: '1h',
      unique: { ...unique, key: () => 'two' },
    });
    const replacing = await ship.applyAsync(['e'], {
      transaction: client,
      unique: { mode: 'replace', key: () => 'two' },
    });
    await client.query('COMMIT');
    await worker();
    assert.equal(await own.get(WAIT), `shipped ${text}`);
    assert.equal(await late.get(WAIT), 'shipped c');
    assert.equal(await replacing.get(WAIT), 'shipped e');
    assert.equal(await old.status, 'REVOKED');
    assert.equal(await app.result(text).get(WAIT), `shipped ${text}`);
  });

  it('waits for another transaction that has its id, then is refused or takes it', async (t) => {
    const { ship } = shopOn(t, ground.server.url);
    const first = await begun(t, ground.pool);
    await ship.applyAsync(['a'], { transaction: first, taskId: 'shared' });
    const second = await begun(t, ground.pool);
    const waits = async () => {
      const lock =
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%celeriac_record%'";
      await until(async () => (await ground.pool.query(lock)).rowCount === 1, 'a call that waits');
    };
    const taking = ship.applyAsync(['b'], { transaction: second, taskId: 'shared' });
    await waits();
    await first.query('ROLLBACK');
    assert.equal((await taking).id, 'shared');
    const plain = rejection(ship.applyAsync(['c'], { taskId: 'shared' }));
    await waits();
    await second.query('COMMIT');
    assert.ok((await plain) instanceof DuplicateTaskError);
  });

  it('may be a workflow, an empty group, or many calls at once', async (t) => {
    const { app, ship, worker } = shopOn(t, ground.server.url);
    const count = app.task('count', (list: unknown[]) => list.length);
    const client = await begun(t, ground.pool);
    const path = async () => (await client.query('SHOW search_path')).rows[0].search_path;
    const before = await path();
    const members = Array.from({ length: 3 }, (_, i) => ship.s(`${i}`));
    const chained = await chain(ship.s('a'), ship.s()).applyAsync([], { transaction: client });
    const chorded = await chord(members, count.s()).applyAsync([], { transaction: client });
    const empty = await chord([] as typeof members, count.s()).applyAsync([], { transaction: client });
    const linked = await ship.applyAsync(['l'], { transaction: client, link: ship.s() });
    const large = await group(Array.from({ length: 150 }, (_, i) => ship.s(`${i}`))).applyAsync([], {
      transaction: client,
    });
    const many = await app.publish(
      [...members, ship.s('own').set({ taskId: 'own' }), chain(ship.s('x'), ship.s())],
      {
        transaction: client,
      },
    );
    const beside = await Promise.all(
      ['p', 'q'].map((order) => ship.applyAsync([order], { transaction: client })),
    );
    assert.equal(await path(), before, 'the search path is the caller’s again');
    for (const sent of [chained, chorded, empty, linked, ...many, ...beside])
      assert.equal(await sent.exists(), false);
    await client.query('COMMIT');
    await worker();
    assert.equal(await chained.get(WAIT), 'shipped shipped a');
    assert.equal(await chorded.get(WAIT), 3);
    assert.equal(await empty.get(WAIT), 0);
    assert.equal(await linked.get(WAIT), 'shipped l');
    assert.equal((await large.get(WAIT)).length, 150);
    assert.deepEqual(await Promise.all(many.map((sent) => sent.get(WAIT))), [
      'shipped 0',
      'shipped 1',
      'shipped 2',
      'shipped own',
      'shipped shipped x',
    ]);
    for (const sent of beside) assert.match(await sent.get(WAIT), /^shipped [pq]$/);
  });

  it('needs a transaction in the database of the broker', async (t) => {
    const { ship } = shopOn(t, ground.server.url);
    await ground.pool.query('CREATE DATABASE elsewhere');
    const elsewhere = new pg.Pool({ connectionString: ground.server.url.replace(/postgres$/, 'elsewhere') });
    const client = await elsewhere.connect();
    t.after(async () => {
      client.release(true);
      await elsewhere.end();
    });
    await client.query('BEGIN');
    const refused = await rejection(ship.applyAsync(['a'], { transaction: client }));
    assert.ok(refused instanceof OptionError);
    assert.match(refused.message, /is in another database than the broker .* outbox/);
    assert.equal((await client.query('SELECT 1 AS fine')).rows[0].fine, 1, 'the transaction goes on');
    const { ship: embedded } = shopOn(t, 'memory://');
    const none = await rejection(embedded.applyAsync(['a'], { transaction: client }));
    assert.ok(none instanceof OptionError);
    assert.match(none.message, /option outbox/);
  });

  it('costs one statement once the transaction has written, and three before', async (t) => {
    const { ship } = shopOn(t, ground.server.url);
    const client = await begun(t, ground.pool);
    const statements: string[] = [];
    const counted = new Proxy(client, {
      get: (target, name) => {
        if (name !== 'query') return Reflect.get(target, name);
        return (text: string) => {
          statements.push(text);
          return target.query(text);
        };
      },
    });
    await ship.applyAsync(['a'], { transaction: counted });
    // Which database it is, the call, what makes a transaction write, and the call again.
    assert.equal(statements.length, 4);
    await ship.applyAsync(['b'], { transaction: counted });
    assert.equal(statements.length, 5);
  });
});
