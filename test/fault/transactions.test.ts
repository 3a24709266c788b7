import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startProgram, until } from '../support/app.js';
import { postgresBinaries } from '../support/postgres.js';
import { begun, shopOn, transactionGround } from '../support/transactions.js';

const POINTS = ['begin', 'insert', 'call', 'commit'] as const;

describe('A transaction with a call in it', { skip: postgresBinaries() === undefined }, () => {
  const ground = transactionGround();

  it('has stored its order and sent its task, or neither, wherever its process is killed', async (t) => {
    const { app } = shopOn(t, ground.server.url, { prefix: 'killed' });
    await app.migrate();
    for (const point of POINTS) {
      const program = startProgram(t, new URL('programs/transaction-caller.js', import.meta.url), [
        ground.server.url,
        'killed',
        point,
      ]);
      await program.message<{ point: string }>((message) => message.point === point);
      program.child.kill('SIGKILL');
      await program.ended;
      const open = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'";
      await until(async () => (await ground.pool.query(open)).rowCount === 0, 'the end of its connection');
      const stored = await ground.pool.query('SELECT 1 FROM orders WHERE id = $1', [`order ${point}`]);
      assert.equal(stored.rowCount, point === 'commit' ? 1 : 0, point);
      assert.equal(await app.result(`order ${point}`).exists(), point === 'commit', point);
    }
  });

  it('has sent nothing where the database is killed before the commit, and all where after it', async (t) => {
    const { app, ship, worker } = shopOn(t, ground.server.url);
    const sent = [];
    for (const isCommitted of [false, true]) {
      const client = await begun(t, ground.pool);
      await client.query('INSERT INTO orders VALUES ($1)', [`database ${isCommitted}`]);
      sent.push(await ship.applyAsync(['a'], { transaction: client, taskId: `database ${isCommitted}` }));
      if (isCommitted) await client.query('COMMIT');
      await ground.server.stop('SIGQUIT');
      await ground.server.start();
    }
    await until(
      () =>
        app.queues
          .list()
          .then(() => true)
          .catch(() => false),
      'the database',
    );
    const { rows } = await ground.pool.query("SELECT id FROM orders WHERE id LIKE 'database %'");
    assert.deepEqual(rows, [{ id: 'database true' }]);
    assert.deepEqual(await Promise.all(sent.map((each) => each.exists())), [false, true]);
    // The server was started anew since the app has recognised it.
    const client = await begun(t, ground.pool);
    const later = await ship.applyAsync(['b'], { transaction: client });
    await client.query('COMMIT');
    await worker();
    assert.equal(await sent[1]?.get({ timeout: '20s' }), 'shipped a');
    assert.equal(await later.get({ timeout: '20s' }), 'shipped b');
  });
});
