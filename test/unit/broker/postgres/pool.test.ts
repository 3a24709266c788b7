/** What a slow database is asked, and when a silent one is given up. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { after, describe, it } from 'node:test';
import type { PgClient, PgPool, PgPooledClient } from '#src/broker/postgres/driver.js';
import { PgStatements } from '#src/broker/postgres/pool.js';
import { isCeleriacError } from '#src/index.js';

type Reply = { rows: unknown[]; rowCount: number };
const EMPTY: Reply = { rows: [], rowCount: 0 };

/** A server whose statements hang until they are let go; it counts logins and small questions. */
class SlowServer extends EventEmitter {
  logins = 0;
  questions = 0;
  /** What a login and a question get. */
  login: () => Promise<void> = async () => undefined;
  question: () => Promise<Reply> = async () => EMPTY;
  finish: () => void = () => undefined;
  readonly #hanging: (() => void)[] = [];

  readonly pool: PgPool = {
    connect: async () =>
      this.#client(
        () =>
          new Promise((resolve) => {
            this.finish = () => resolve(EMPTY);
            this.#hanging.push(this.finish);
          }),
      ),
    query: async () => EMPTY,
    end: async () => undefined,
    on: () => undefined,
    off: () => undefined,
  };

  readonly makeClient = (): PgClient => {
    const client = this.#client(() => {
      this.questions++;
      this.emit('asked');
      return this.question();
    });
    return Object.assign(client, {
      connect: () => {
        this.logins++;
        this.emit('asked');
        return this.login();
      },
    });
  };

  finishAll(): void {
    for (const finish of this.#hanging) finish();
  }

  /** Resolves when the server was asked so often in all. */
  async asked(count: number): Promise<void> {
    while (this.logins + this.questions < count) await new Promise((resolve) => this.once('asked', resolve));
  }

  #client(query: () => Promise<Reply>): PgPooledClient {
    return {
      connect: async () => undefined,
      query,
      end: async () => undefined,
      release: () => undefined,
      on: () => undefined,
    };
  }
}

describe('a connection to PostgreSQL', () => {
  const awake = setInterval(() => undefined, 60_000);
  after(() => clearInterval(awake));
  const linkTo = (server: SlowServer, connectTimeoutMs = 160) =>
    new PgStatements({
      pool: server.pool,
      address: 'postgres://x',
      makeClient: server.makeClient,
      config: {
        prefix: 'p',
        connectTimeoutMs,
        migrate: false,
        onTrouble: () => undefined,
        onRecovered: () => undefined,
      },
    });
  const isAway = (error: Error) => isCeleriacError(error, 'BROKER_UNAVAILABLE');

  it('logs in once to ask a slow database, however long its statement takes', async () => {
    const server = new SlowServer();
    const link = linkTo(server);
    const slow = link.calls('SELECT slow()');
    await server.asked(12);
    assert.equal(server.logins, 1);
    server.finish();
    assert.deepEqual(await slow, EMPTY);
    link.close();
  });

  it('takes a database that has connections enough for a busy one, and asks it ever more rarely', async () => {
    const server = new SlowServer();
    server.login = () => Promise.reject(Object.assign(new Error('too many clients'), { code: '53300' }));
    const link = linkTo(server);
    const gaps: number[] = [];
    let last: number | undefined;
    server.on('asked', () => {
      const now = performance.now();
      if (last !== undefined) gaps.push(now - last);
      last = now;
    });
    const slow = link.calls('SELECT slow()');
    await server.asked(4);
    // At least twice the last one each time; a busy machine only makes them longer.
    assert.ok((gaps[0] ?? 0) > 150 && (gaps[1] ?? 0) > 300 && (gaps[2] ?? 0) > 600, gaps.join(' '));
    server.finish();
    assert.deepEqual(await slow, EMPTY);
    link.close();
  });

  it('gives up what is in flight when neither a login nor the kept connection gets an answer', async () => {
    const server = new SlowServer();
    const link = linkTo(server);
    const first = assert.rejects(link.calls('SELECT slow()'), isAway);
    await server.asked(3);
    server.question = () => new Promise(() => undefined);
    server.login = () => Promise.reject(new Error('timeout expired'));
    await first;
    // At once, with no kept connection to ask first.
    await assert.rejects(link.calls('SELECT slow()'), isAway);
    link.close();
  });

  it('goes on when something was answered while nobody answered the question', async () => {
    const server = new SlowServer();
    const link = linkTo(server);
    let refuse: (error: Error) => void = () => undefined;
    server.login = () => new Promise((_, reject) => (refuse = reject));
    const [slow, quick] = [link.calls('SELECT slow()'), link.calls('SELECT quick()')];
    await server.asked(1);
    server.finish();
    assert.deepEqual(await quick, EMPTY);
    refuse(new Error('timeout expired'));
    server.login = async () => undefined;
    await server.asked(2);
    server.finishAll();
    assert.deepEqual(await slow, EMPTY);
    link.close();
  });

  it('asks nobody because this process had no time to listen', async () => {
    const server = new SlowServer();
    const link = linkTo(server);
    const answer = link.calls('SELECT 1');
    await new Promise((resolve) => setImmediate(resolve));
    for (const until = performance.now() + 300; performance.now() < until; );
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.logins, 0);
    server.finish();
    assert.deepEqual(await answer, EMPTY);
    link.close();
  });

  it('does not ask while other statements are answered', async () => {
    const server = new SlowServer();
    const link = linkTo(server, 1_600);
    const slow = link.calls('SELECT slow()');
    const { finish } = await new Promise<SlowServer>((resolve) => setImmediate(() => resolve(server)));
    const quick = server.pool.connect;
    server.pool.connect = async () => ({ ...(await quick()), query: async () => EMPTY });
    for (const until = performance.now() + 1_000; performance.now() < until; ) {
      await link.calls('SELECT 1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(server.logins + server.questions, 0);
    finish();
    assert.deepEqual(await slow, EMPTY);
    link.close();
  });
});
