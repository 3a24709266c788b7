/** Behind PgBouncer: both of its modes work, or say what is missing. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Celeriac, type CeleriacError, chain } from 'celeriac';
import { pgbouncerBinary, startPgbouncer } from '../support/pgbouncer.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';

const SOON = { timeout: '30s' } as const;
const skip =
  postgresBinaries() === undefined || pgbouncerBinary() === undefined ? 'PgBouncer is not installed' : false;

describe('PostgreSQL behind PgBouncer', { skip, timeout: 120_000 }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.close());

  for (const [mode, listens] of [
    ['transaction', true],
    ['session', true],
    ['session', false],
  ] as const)
    it(`runs tasks in ${mode} mode${listens ? ', listening at the server itself' : ''}`, async (t) => {
      const url = await startPgbouncer(t, server, mode);
      const broker = listens ? `${url}?listen=${encodeURIComponent(server.url)}` : url;
      const troubles: string[] = [];
      const say = (fields: { error?: Error }, text?: string) =>
        void troubles.push(`${text}: ${fields.error?.message}`);
      const logger = { debug() {}, info() {}, warn: say, error: say };
      const app = new Celeriac('pooled', { broker, prefix: `p-${randomUUID()}`, migrate: true, logger });
      const twice = app.task('twice', (n: number) => n * 2);
      const worker = app.worker({ concurrency: 4 });
      await worker.start();
      const sent = await Promise.all(Array.from({ length: 30 }, (_, n) => twice.delay(n)));
      assert.deepEqual(
        await Promise.all(sent.map((result) => result.get(SOON))),
        sent.map((_, n) => n * 2),
      );
      assert.equal(await (await chain(twice.s(1), twice.s(), twice.s()).delay()).get(SOON), 8);
      assert.deepEqual(Object.values(await app.control.ping()), ['pong']);
      assert.doesNotMatch(troubles.join(), /startup parameter/); // no outage
      // Before its pooler goes.
      await app.close();
    });

  it('says what to write in transaction mode without the address of the server', async (t) => {
    const url = await startPgbouncer(t, server, 'transaction');
    const app = new Celeriac('pooled', { broker: url, prefix: `p-${randomUUID()}`, migrate: true });
    await assert.rejects(app.migrate(), (error: CeleriacError) => {
      assert.equal(error.code, 'BROKER');
      assert.match(error.message, /transaction mode.*\?listen=/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    await app.close();
  });
});
