/**
 * SIGTERM in the middle of work: tasks that wait at sockets and tasks that compute all come to their end, each of them
 * once, whoever runs them; and no end waits for a broker.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Celeriac } from '#src/index.js';
import { until, within } from '../support/app.js';
import { project, startCli } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const TASKS = `
import { appendFileSync } from 'node:fs';
import { Celeriac } from 'celeriac';

export const app = new Celeriac('load');
const note = (what, n) => appendFileSync(process.env.LEDGER, what + ' ' + n + '\\n');
app.task('fetch', async (n) => {
  note('start', n);
  const text = await (await fetch(process.env.SLOW)).text();
  note('end', n);
  return text;
});
app.task('hang', (n) => {
  note('start', n);
  return new Promise(() => undefined);
});
app.task('burn', async (n) => {
  note('start', n);
  const until = Date.now() + 40;
  while (Date.now() < until);
  note('end', n);
  return 'burnt';
});
`;
const COUNT = 240;

describe('SIGTERM under load', { timeout: 280_000 }, () => {
  for (const flags of [
    ['-c', '8'],
    ['-c', '4', '--processes', '2'],
    ['-c', '4', '-P', 'threads'],
  ]) {
    it(`loses nothing and runs nothing twice (worker ${flags.join(' ')})`, async (t) => {
      const { app, worker, ledger } = await site(t);
      const first = worker(...flags);
      await first.printed(/ready/);
      const sent = await Promise.all(
        Array.from({ length: COUNT }, (_, n) => app.sendTask(n % 2 === 0 ? 'fetch' : 'burn', [n])),
      );
      await until(() => ledger('start').length > COUNT / 6, 'some of the work');
      first.kill('SIGTERM');
      assert.equal((await within(first.ended, 'the end of the worker', 60_000)).code, 0);
      assert.deepEqual(ledger('end').sort(), ledger('start').sort());
      assert(ledger('start').length < COUNT, 'it ended before the work did');
      const second = worker(...flags);
      const values = await Promise.all(sent.map((result) => result.get({ timeout: '120s' })));
      assert.deepEqual(
        values,
        sent.map((_, n) => (n % 2 === 0 ? 'slow' : 'burnt')),
      );
      assert.equal(new Set(ledger('start')).size, COUNT);
      assert.equal(ledger('start').length, COUNT);
      second.kill('SIGTERM');
      assert.equal((await second.ended).code, 0);
    });
  }
});

describe('A worker that is told to stop', { timeout: 280_000 }, () => {
  for (const [how, trouble] of Object.entries({
    'is frozen': async (redis: RedisServer) => redis.freeze(),
    'is gone': (redis: RedisServer) => redis.stop('SIGKILL'),
  })) {
    it(`ends with 0 though its broker ${how}, alone or in several processes, idle or busy`, async (t) => {
      const { app, worker, ledger, redis } = await site(t);
      // In this order, so that one of them has the task.
      const busy = worker('-c', '1', '--shutdown-timeout', '500ms');
      await busy.printed(/ready/);
      await app.sendTask('hang', [0]);
      await until(() => ledger('start').length === 1, 'the start of the first task');
      const crew = worker('--processes', '2', '-c', '1', '--shutdown-timeout', '500ms');
      await crew.printed(/ready/);
      await app.sendTask('hang', [1]);
      await until(() => ledger('start').length === 2, 'the start of the second task');
      await trouble(redis);
      for (const one of [busy, crew]) one.kill('SIGTERM');
      const ends = await within(Promise.all([busy.ended, crew.ended]), 'both ends', 30_000);
      assert.deepEqual(
        ends.map(({ code }) => code),
        [0, 0],
      );
    });
  }
});

async function site(t: TestContext) {
  const redis = await startRedis();
  t.after(() => redis.close());
  const slow = createServer((_request, response) => {
    setTimeout(() => response.end('slow'), 150);
  }).listen(0, '127.0.0.1');
  await once(slow, 'listening');
  t.after(() => {
    slow.close();
    slow.closeAllConnections();
  });
  const address = slow.address();
  assert(typeof address === 'object' && address !== null);
  const cwd = project(t, { 'package.json': '{ "type": "module" }', 'tasks.js': TASKS });
  const file = join(cwd, 'ledger');
  const prefix = `load-${randomUUID()}`;
  const app = new Celeriac('load', { broker: redis.url, prefix });
  t.after(() => app.close());
  const env = {
    CELERIAC_BROKER_URL: redis.url,
    CELERIAC_PREFIX: prefix,
    LEDGER: file,
    SLOW: `http://127.0.0.1:${address.port}/`,
  };
  return {
    app,
    redis,
    worker: (...flags: string[]) =>
      startCli(t, ['-A', 'tasks', 'worker', '-l', 'warn', ...flags], { cwd, env }),
    ledger: (what: string) => {
      let text = '';
      try {
        text = readFileSync(file, 'utf8');
      } catch {
        // Nothing has been noted yet.
      }
      return text
        .split('\n')
        .filter((line) => line.startsWith(`${what} `))
        .map((line) => line.slice(what.length + 1));
    },
  };
}
