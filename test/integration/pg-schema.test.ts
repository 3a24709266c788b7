import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { openEngine } from '#src/broker/open.js';
import { rejection, uniqueName } from '../support/app.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';

/** What came with the version after the one that is to be upgraded. */
const SINCE = `
DROP TABLE celeriac_place, celeriac_limit, celeriac_stream, celeriac_chunk, celeriac_step, celeriac_wake;
DROP FUNCTION celeriac_place_enter, celeriac_place_leave, celeriac_place_evict, celeriac_place_given,
  celeriac_place_doubted;`;

describe('The schema of the version before', { skip: postgresBinaries() === undefined }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.close());

  const engineOf = (t: TestContext, prefix: string, migrate: boolean) => {
    const engine = openEngine(server.url, {
      prefix,
      connectTimeoutMs: 20_000,
      migrate,
      onTrouble: () => undefined,
      onRecovered: () => undefined,
    });
    t.after(() => engine.close());
    return engine;
  };

  it('is found to be old, upgraded with what is in it, and lets go of what nobody reads any more', async (t) => {
    const prefix = uniqueName();
    const first = engineOf(t, prefix, true);
    await first.records.create('places:["task"]', '{"holders":[],"parked":[]}');
    await first.records.create('kept', 'v');
    await first.flows.create('flow', 'plan', 100_000);
    const admin = new pg.Client({ connectionString: server.url });
    await admin.connect();
    t.after(() => admin.end());
    await admin.query(`SET search_path TO "${prefix}"; ${SINCE}`);

    const old = await rejection(engineOf(t, prefix, false).ready());
    assert.match(old.message, /is not migrated for this version/);
    await engineOf(t, prefix, false).migrate();
    const engine = engineOf(t, prefix, false);
    const asking = { limit: 1, now: 1000, mostWaiters: 1, doubtedBefore: 0 };
    assert.deepEqual(await engine.places.enter('x', { queue: 'q', id: 'a' }, asking), { held: true });
    assert.equal((await engine.records.read(['kept']))[0]?.value, 'v');
    assert.deepEqual(await engine.flows.read([{ flow: 'flow', fields: ['plan'] }]), [['plan']]);
    const { rows } = await admin.query('SELECT key FROM celeriac_record WHERE expire_at IS NOT NULL');
    assert.deepEqual(rows, [{ key: 'places:["task"]' }]);
  });
});
