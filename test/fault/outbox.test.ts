/** The outbox under relays that are killed: at each step of one, whatever was committed runs once. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chain } from 'celeriac';
import pg from 'pg';
import { startProgram, testApp, until } from '../support/app.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const RELAY = new URL('./programs/outbox-relay.js', import.meta.url);
/** Each step is tried in the long form, some of them in the short one. */
const EVERY = process.env.CELERIAC_CAMPAIGN === undefined ? 6 : 1;
const MOST_STEPS = 200;

describe('A relay that is killed', {
  skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
  timeout: 600_000,
}, () => {
  let server: PostgresServer;
  let redis: RedisServer;
  let users: pg.Pool;

  before(async () => {
    [server, redis] = await Promise.all([startPostgres(), startRedis()]);
    users = new pg.Pool({ connectionString: server.url });
    users.on('error', () => undefined);
  });
  after(async () => {
    await users.end();
    await Promise.all([server.close(), redis.close()]);
  });

  it('at any step has sent nothing twice, and another sends the rest', async (t) => {
    for (let nth = 1; nth < MOST_STEPS; nth += EVERY) {
      const { app, prefix, twin, worker } = testApp(t, { broker: redis.url });
      const ran: string[] = [];
      app.task('note', { ignoreResult: true }, (name: string) => void ran.push(name));
      const caller = twin({ outbox: server.url });
      await caller.outbox.migrate();
      const sent = caller.tasks<{ note(name: string): void }>()({ note: 'note' }).note;
      const client = await users.connect();
      await client.query('BEGIN');
      const transaction = client;
      const call = { transaction, ignoreResult: true };
      await sent.applyAsync(['plain'], call);
      await caller.publish([sent.s('many 1'), sent.s('many 2')], { transaction });
      await sent.applyAsync(['own'], { ...call, taskId: `own ${prefix}` });
      await sent.applyAsync(['unique'], { ...call, unique: { mode: 'reject' } });
      await chain(sent.si('first'), sent.si('second')).applyAsync([], { transaction });
      await client.query('COMMIT');
      client.release();
      const running = await worker();
      const relay = startProgram(t, RELAY, [redis.url, prefix, server.url, `${nth}`]);
      const end = await relay.ended;
      const isThrough = relay.messages.some((message) => Reflect.has(Object(message), 'through'));
      assert(isThrough || end === 'SIGKILL', `${end} ${relay.output()}`);
      // What is sent so far has run and is gone before the next relay comes.
      await until(async () => {
        const queues = await app.queues.list();
        return queues.every(({ waiting, active }) => waiting + active === 0);
      }, 'an empty queue');
      // The server may not have noticed yet that the killed relay holds its rows no more.
      await until(async () => {
        await caller.outbox.drain();
        return (await caller.outbox.counts()).waiting === 0;
      }, 'an empty outbox');
      const all = ['first', 'many 1', 'many 2', 'own', 'plain', 'second', 'unique'];
      await until(() => ran.length >= all.length, `all tasks of step ${nth}: ${ran}`);
      await until(
        async () => (await app.queues.list()).every(({ waiting, active }) => waiting + active === 0),
        'rest',
      );
      assert.deepEqual([...ran].sort(), all, `step ${nth}`);
      const { waiting, setAside } = await caller.outbox.counts();
      assert.deepEqual([waiting, setAside], [0, 0], `step ${nth}`);
      await running.stop();
      if (isThrough) return;
    }
    assert.fail('the relay has more steps than are tried');
  });
});
