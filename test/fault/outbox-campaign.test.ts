/**
 * Transactions by the thousand, half of them rolled back, while callers, relays, workers, the database and the broker are
 * killed: the committed ones run, once each. The ledger is a table of the user, written by the same transactions. A
 * hundred thousand with CELERIAC_CAMPAIGN=1.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { type Program, pause, startProgram, testApp, uniqueName, until } from '../support/app.js';
import { postgresBinaries, startPostgres } from '../support/postgres.js';
import { startRedis } from '../support/redis.js';

const LONG = process.env.CELERIAC_CAMPAIGN !== undefined;
const TRANSACTIONS = LONG ? 100_000 : 1_200;
const CALLERS = 2;
/** How many transactions are called between two kills. */
const STRIDE = LONG ? 1_000 : 150;
const PATIENCE_MS = LONG ? 3_000_000 : 240_000;

const program = (name: string) => new URL(`./programs/${name}.js`, import.meta.url);

describe('transactions among kills', {
  skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
  timeout: PATIENCE_MS,
}, () => {
  it('leave the committed calls, once each', async (t) => {
    const [server, redis] = await Promise.all([
      startPostgres(),
      startRedis(['--appendonly', 'yes', '--appendfsync', 'always']),
    ]);
    t.after(() => Promise.all([server.close(), redis.close()]));
    const dir = await mkdtemp(join(tmpdir(), 'celeriac-outbox-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, 'begun');
    const prefix = uniqueName();
    const { app } = testApp(t, { broker: redis.url, prefix, outbox: server.url });
    await app.outbox.migrate();
    await withClient(server.url, (client) => client.query('CREATE TABLE ledger (n integer PRIMARY KEY)'));

    const relays = kept(t, 2, () =>
      startProgram(t, program('outbox-relay'), [redis.url, prefix, server.url]),
    );
    const workers = kept(t, 2, () => startProgram(t, program('outbox-worker'), [redis.url, prefix, file]));
    const share = Math.ceil(TRANSACTIONS / CALLERS);
    const callers = Array.from(
      { length: CALLERS },
      (_, i) => new Caller(t, [redis.url, prefix, server.url], i * share, share),
    );
    const done = Promise.all(callers.map((caller) => caller.done));
    let isDone = false;
    void done.then(() => (isDone = true));
    const kills = [
      () => relays.kill(),
      () => workers.kill(),
      () => callers[0]?.kill(),
      async () => {
        await server.stop('SIGQUIT');
        await server.start();
      },
      () => relays.kill(),
      () => callers[1]?.kill(),
      async () => {
        await redis.stop('SIGKILL');
        await redis.start();
      },
    ];
    let killed = 0;
    for (let at = STRIDE; !isDone; at += STRIDE) {
      await until(
        () => isDone || callers.reduce((sum, { called }) => sum + called, 0) >= at,
        `${at} calls`,
        PATIENCE_MS,
      );
      if (!isDone) await kills[killed++ % kills.length]?.();
    }
    await done;
    assert(killed >= 4, `only ${killed} kills`);
    await until(async () => (await app.outbox.counts()).waiting === 0, 'an empty outbox', PATIENCE_MS);
    const ledger = await withClient(server.url, async (client) => {
      const { rows } = await client.query('SELECT n FROM ledger ORDER BY n');
      return rows.map(({ n }) => Number(n));
    });
    let begun: string[] = [];
    const whole = async () => {
      begun = (await readFile(file, 'utf8')).trim().split('\n');
      return new Set(begun.map((line) => line.split(' ')[0])).size >= ledger.length;
    };
    await until(whole, `${ledger.length} tasks`, PATIENCE_MS);
    await until(
      async () =>
        (await app.queues.list()).every(({ waiting, active, delayed }) => waiting + active + delayed === 0),
      'an empty queue',
      PATIENCE_MS,
    );
    await pause(500);
    await whole();
    assert.equal(new Set(begun).size, begun.length, 'none began twice for the first time');
    const ran = [...new Set(begun.map((line) => Number(line.split(' ')[0])))].sort((a, b) => a - b);
    assert.deepEqual(ran, ledger);
    assert.equal((await app.outbox.counts()).setAside, 0);
    t.diagnostic(
      `${ledger.length} of ${TRANSACTIONS} committed, ${killed} kills, ${begun.length - ran.length} delivered again`,
    );
    await Promise.all([relays.end(), workers.end()]);
  });
});

/** A caller that goes on behind where it was killed. */
class Caller {
  readonly done: Promise<void>;
  #at: number;
  #program: Program | undefined;
  readonly #end: number;

  constructor(
    private readonly t: TestContext,
    private readonly place: readonly string[],
    private readonly first: number,
    count: number,
  ) {
    this.#at = first;
    this.#end = first + count;
    this.done = this.#run();
  }

  get called(): number {
    return this.#at - this.first;
  }

  kill(): void {
    this.#program?.child.kill('SIGKILL');
  }

  async #run(): Promise<void> {
    // A number that a killed caller was at may have been committed: it is not called again.
    for (let from = this.#at, seed = 1; from < this.#end; from = this.#at + 50, seed++) {
      const args = [...this.place, `${from}`, `${this.#end - from}`, `${seed * 7 + this.first}`];
      const caller = startProgram(this.t, program('outbox-caller'), args);
      this.#program = caller;
      caller.child.on('message', ({ at }: { at: number }) => {
        this.#at = Math.max(this.#at, at);
      });
      await caller.ended;
    }
    this.#at = this.#end;
  }
}

/** Programs that are started again when one is killed. */
function kept(t: TestContext, count: number, start: () => Program) {
  const running = Array.from({ length: count }, start);
  t.after(() => running.map(({ child }) => child.kill('SIGKILL')));
  return {
    kill: async () => {
      const victim = running.shift();
      victim?.child.kill('SIGKILL');
      await victim?.ended;
      running.push(start());
    },
    end: async () => {
      for (const { child } of running) child.kill('SIGKILL');
      await Promise.all(running.map(({ ended }) => ended));
    },
  };
}

async function withClient<R>(url: string, body: (client: pg.Client) => Promise<R>): Promise<R> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await body(client);
  } finally {
    await client.end();
  }
}
