import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { openEngine } from '#src/broker/open.js';
import { uniqueName, until } from '../support/app.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';

const REF = { queue: 'q', id: 'one' };
const WRITE = { ref: REF, origin: 'o', attempt: 0, mostChunks: 100, mostBytes: 1000, ttlMs: 60_000 };

describe('The stream of a task on PostgreSQL', { skip: postgresBinaries() === undefined }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.close());

  it('takes nothing of an attempt that lost its lock while its append waited', async (t) => {
    const prefix = uniqueName();
    const engine = openEngine(server.url, {
      prefix,
      connectTimeoutMs: 20_000,
      migrate: true,
      onTrouble: () => undefined,
      onRecovered: () => undefined,
    });
    t.after(() => engine.close());
    const [holder, other] = [0, 1].map(() => new pg.Client({ connectionString: server.url }));
    assert.ok(holder !== undefined && other !== undefined);
    for (const client of [holder, other]) {
      await client.connect();
      t.after(() => client.end());
      await client.query(`SET search_path TO "${prefix}"`);
    }
    const message = { name: 'task', data: '{}', opts: {}, timestamp: 1, delay: 0, priority: 0 };
    await (await engine.backend('q')).addJob(message as never, 'one', {});
    const give = (token: string) =>
      other.query("UPDATE job SET state = 'active', lock_token = $1 WHERE queue = 'q' AND id = 'one'", [
        token,
      ]);
    await give('first');
    const append = (token: string, first: number, text: string) =>
      engine.streams.append({ ...WRITE, token, first, chunks: [{ at: 1, text }] });
    assert.equal(await append('first', 0, '"kept"'), true);

    await holder.query('BEGIN; SELECT 1 FROM celeriac_stream FOR UPDATE');
    const late = append('first', 1, '"late"');
    const waits =
      "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%stream_append%'";
    await until(async () => ((await other.query(waits)).rowCount ?? 0) > 0, 'an append that waits');
    await give('second');
    await holder.query('COMMIT');
    assert.equal(await late, false);
    assert.deepEqual(
      (await engine.streams.read('one', 0, 10))?.chunks.map(({ text }) => text),
      ['"kept"'],
    );
    await engine.streams.remove(['one']);
    assert.equal(await append('first', 0, '"late"'), false);
    assert.equal((await other.query('SELECT 1 FROM celeriac_stream')).rowCount, 0, 'and leaves no row');
  });
});
