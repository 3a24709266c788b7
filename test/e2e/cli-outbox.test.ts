/** `celeriac outbox` and `celeriac migrate --outbox`, without code of the user's. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { testApp, uniqueName, until } from '../support/app.js';
import { runCli, startCli } from '../support/cli.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const skip = postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false;

describe('celeriac outbox', { skip, timeout: 300_000 }, () => {
  let server: PostgresServer;
  let redis: RedisServer;

  before(async () => {
    [server, redis] = await Promise.all([startPostgres(), startRedis()]);
  });
  after(() => Promise.all([server.close(), redis.close()]));

  it('makes the table, relays until it is told to stop, and shows and retries what was set aside', async (t) => {
    const prefix = uniqueName();
    const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix };
    const without = await runCli(['outbox', 'list'], { env });
    assert.match(without.stderr, /has no outbox\. Set its option outbox/);
    assert.equal(without.code, 2);
    const options = { env: { ...env, CELERIAC_OUTBOX_URL: server.url } };
    const early = await runCli(['outbox', 'list'], options);
    assert.match(early.stderr, /celeriac migrate --outbox/);
    assert.equal(early.code, 1);
    for (let times = 0; times < 2; times++) {
      const { code, stdout, stderr } = await runCli(['migrate', '--outbox'], options);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^The outbox of ".*" is up to date\.\n$/);
    }
    const { app } = testApp(t, { broker: redis.url, prefix, outbox: server.url });
    const note = app.task('note', () => undefined);
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    t.after(() => client.end());
    await client.query('BEGIN');
    await note.applyAsync([], { transaction: client, taskId: 'order 1' });
    await note.applyAsync([], { transaction: client, taskId: 'order 1' });
    await client.query('COMMIT');
    const relay = startCli(t, ['outbox'], options);
    await relay.printed(/^Relaying the outbox of ".*"\.$/m);
    await until(async () => (await app.outbox.counts()).setAside === 1, 'the second call set aside');
    relay.kill('SIGTERM');
    const { code } = await relay.ended;
    assert.equal(code, 0);
    const listed = await runCli(['outbox', 'list'], options);
    assert.match(listed.stdout, /note .*order 1/);
    assert.match(listed.stdout, /"order 1" is taken/);
    const [entry] = JSON.parse((await runCli(['outbox', 'list', '--json'], options)).stdout);
    assert.deepEqual(entry.tasks, [{ id: 'order 1', name: 'note' }]);
    const other = await runCli(['outbox', 'retry', 'order 2'], options);
    assert.deepEqual([other.code, other.stdout], [1, '']);
    const again = await runCli(['outbox', 'retry', 'order 1'], options);
    assert.deepEqual([again.code, again.stdout], [0, `${entry.id}: is relayed again\n`]);
    const none = await runCli(['outbox', 'list'], options);
    assert.match(none.stderr, /no call of the outbox was set aside/);
  });
});
