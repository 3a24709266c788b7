/**
 * The broker goes away and comes back while results are waited for and followed, begun before it went and while it was
 * away, by generated ids and by ids of a caller's own, in a process that has only the ids.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gate, testApp, until } from '../support/app.js';
import { cutter, postgresBinaries, startPostgres } from '../support/postgres.js';
import { startReader } from '../support/reader.js';
import { startRedis } from '../support/redis.js';

interface Server {
  readonly url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

const SERVERS: readonly {
  readonly name: string;
  readonly skip: string | false;
  readonly open: () => Promise<Server>;
}[] = [
  {
    name: 'Redis',
    skip: false,
    open: () => startRedis(['--appendonly', 'yes', '--appendfsync', 'always']),
  },
  {
    name: 'PostgreSQL',
    skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
    open: () => startPostgres(),
  },
];

describe('An outage of', { timeout: 290_000 }, () => {
  for (const { name, skip, open } of SERVERS) {
    it(`${name} ends no wait and no updates; one with a timeout keeps it`, { skip }, async (t) => {
      const server = await open();
      t.after(() => server.close());
      const { app, prefix, worker } = testApp(t, { broker: server.url, migrate: true });
      const opened = gate();
      const task = app.task('task', async function (n: number) {
        await opened.opened;
        await this.updateState('PROGRESS', { n });
        return n;
      });
      // A worker that begins only after the outage: nothing but the waits is tested.
      const ids = [(await task.delay(1)).id, (await task.applyAsync([2], { taskId: 'my own' })).id];
      const reader = await startReader(t, server.url, prefix);
      await Promise.all(ids.map((id) => reader.ask(id, 'status')));
      const questions = ids.flatMap((id) => [
        { id, what: 'get' },
        { id, what: 'updates' },
      ]);
      const early = questions.map(({ id, what }) => reader.ask(id, what));
      await reader.ask(ids[0] ?? '', 'status');
      await server.stop();
      const short = ids.map((id) => reader.ask(id, 'get', { timeout: 200 }));
      for (const { threw } of await Promise.all(short)) assert.equal(threw?.error, 'ResultTimeoutError');
      const late = questions.map(({ id, what }) => reader.ask(id, what));
      await server.start();
      await until(
        () =>
          app
            .result(ids[0] ?? '')
            .exists()
            .catch(() => false),
        'the broker to be back',
      );
      await worker();
      opened.open();
      const answers = await Promise.all([...early, ...late]);
      for (const [i, { id, what }] of [...questions, ...questions].entries()) {
        const n = ids.indexOf(id) + 1;
        const { gave, threw } = answers[i] ?? { ask: 0 };
        assert.equal(threw, undefined, `${what} of ${id}: ${threw?.error} ${threw?.message}`);
        if (what === 'get') assert.equal(gave, n);
        else
          assert.deepEqual((gave as object[]).slice(-2), [
            { state: 'PROGRESS', meta: { n } },
            { state: 'SUCCESS', meta: { n } },
          ]);
      }
    });
  }

  it('a connection of PostgreSQL ends no wait, not even its first', {
    skip: SERVERS[1]?.skip ?? false,
  }, async (t) => {
    const server = await startPostgres();
    t.after(() => server.close());
    const here = testApp(t, { broker: server.url, migrate: true });
    const { id } = await here.app.task('task', () => 'done').delay();
    const cutAll = await cutter(t, server.url);
    // Each has its first connection of all in the middle of cuts.
    const waits = Array.from({ length: 20 }, async (_, n) => {
      await sleep(n * 50);
      return here.twin().result(id).get({ timeout: '60s' });
    });
    const all = Promise.all(waits);
    all.catch(() => undefined); // looked at below
    for (let cuts = 0; cuts < 60; cuts++) {
      await cutAll();
      await sleep(20);
    }
    await here.worker();
    assert.deepEqual(await all, Array(20).fill('done'));
  });
});
