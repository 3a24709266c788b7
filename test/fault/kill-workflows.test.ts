/**
 * Workflows and death: a caller that is killed at each write of a call, a worker at each write of a workflow for each row
 * of settle's table, and workers killed and connections cut at random under two hundred workflows.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type AsyncResult, type Celeriac, ChordError, type GroupResult, TaskFailedError } from 'celeriac';
import { Redis } from 'ioredis';
import { pause, startProgram, uniqueName, until, within } from '../support/app.js';
import { ledgerFile } from '../support/fault-campaign.js';
import { randomFrom } from '../support/fault-plan.js';
import { unlessAway } from '../support/fault-rest.js';
import { type CrashPlace, crashApp, crashFlow, ROWS, ranIn, TEN_SHAPES } from '../support/flow-shapes.js';
import { cutter, postgresBinaries, startPostgres } from '../support/postgres.js';
import { evaluate, Failure } from '../support/random-flows.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const DOOMED = new URL('./programs/doomed.js', import.meta.url);
const FLOW_WORKER = new URL('./programs/flow-worker.js', import.meta.url);
const LONG = process.env.CELERIAC_CAMPAIGN === '1';
/** Only these rows of settle's table, for who has not the time for all. */
const ONLY = process.env.CELERIAC_ROWS?.split(',');
/** Processes at a time: few enough for a small machine. */
const TOGETHER = 4;
/** Then they are left in peace: where workers start slowly, kills without end leave them no time to work. */
const MOST_KILLS = LONG ? Number.POSITIVE_INFINITY : 15;

interface Sendable {
  applyAsync(args: readonly unknown[], options?: object): Promise<AsyncResult | GroupResult>;
}

describe('workflows in trouble', { timeout: LONG ? 3_600_000 : 600_000 }, () => {
  it('are accepted whole or not at all when the caller is killed at any write', async (t) => {
    const [redis, place] = await ground(t);
    // Each of the ten by each of its writes; the short form takes two that begin differently.
    const wanted = LONG ? TEN_SHAPES.keys() : [0, 8];
    let points = 0;
    for (const shape of wanted) points += await eachPoint((nth) => call(shape, nth));
    assert.ok(points >= 4, `only ${points} writes were found`);
    t.diagnostic(`${points} writes of calls`);

    async function call(index: number, nth: number): Promise<'killed' | 'through'> {
      const at = place();
      const shape = TEN_SHAPES[index];
      assert.ok(shape !== undefined);
      const args = [redis.url, at.prefix, at.ledger, 'caller', `${index}`, `${nth}`];
      const program = startProgram(t, DOOMED, args);
      const ended = await program.ended;
      const { app } = crashApp(at);
      await app.worker({ concurrency: 4 }).start();
      const expected = evaluate(shape).ends;
      const labels = [...expected].filter(([, end]) => end === 'ran' || end === 'failed');
      const began = () => ranIn(at.ledger).size > 0;
      const through = ended !== 'SIGKILL';
      if (through) await until(began, 'the workflow of a caller that got through');
      await until(
        async () => (await idle(app)) && (!began() || ranIn(at.ledger).size === labels.length),
        'an end',
      );
      if (began())
        assertRan(
          at,
          labels.map(([label]) => `whole ${label}`),
          0,
        );
      await app.close();
      return through ? 'through' : 'killed';
    }
  });

  it('end rightly when a worker is killed at any write, whatever way a part ends', async (t) => {
    // A task that ends its workflow is a success to settle.
    const table = [...rowsOfSettle(), 'ended'];
    assert.deepEqual(Object.keys(ROWS).sort(), table.sort(), 'the rows of settle’s table');
    const [redis, place] = await ground(t);
    const rows = table.filter((row) => ONLY === undefined || ONLY.includes(row)) as (keyof typeof ROWS)[];
    let points = 0;
    if (LONG)
      for (const row of rows) {
        const found = await eachPoint((nth) => dieAt(row, nth));
        t.diagnostic(`${found} writes of a worker with the row "${row}"`);
        points += found;
      }
    else {
      // Every row at two writes, another early and another late one for each.
      const some = rows.flatMap((row, i) => [dieAt.bind(null, row, 2 + i), dieAt.bind(null, row, 10 + i)]);
      const next = some.values();
      await Promise.all(
        Array.from({ length: TOGETHER }, async () => {
          for (const die of next) if ((await die()) === 'killed') points++;
        }),
      );
    }
    t.diagnostic(`${points} writes of workers, over ${rows.length} rows`);
    assert.ok(points >= rows.length, `only ${points} points were met`);

    async function dieAt(row: keyof typeof ROWS, nth: number): Promise<'killed' | 'through'> {
      const at = place();
      const { app, tasks } = crashApp(at);
      t.after(() => app.close());
      const args = [redis.url, at.prefix, at.ledger, 'worker', row, `${nth}`];
      const doomed = startProgram(t, DOOMED, args);
      const up = await doomed.message((message) => message === 'ready', 60_000).catch(() => undefined);
      const { flow, value, nothing, labels, orElse } = ROWS[row](app, tasks);
      const what = `${row}, killed at write ${nth}`;
      const result = await (flow as unknown as Sendable).applyAsync([], { taskId: 'whole' });
      // It may die while it is told.
      if (up !== undefined && doomed.child.connected) doomed.child.send({ sent: true }, () => undefined);
      const ended = await within(Promise.race([doomed.ended, stalled()]), `the end of ${what}`, 60_000);
      // Gone, stopped or standing still: another one finds what it held.
      if (ended !== 0 || row === 'handBack') await app.worker({ concurrency: 2 }).start();
      const got = await result.get({ timeout: '60s', propagate: false });
      const died = ended !== 0 && orElse !== undefined && got === orElse.value;
      if (died) t.diagnostic(`${what}: a part had begun, or may have`);
      else if (nothing) assert.equal(got, undefined, what);
      else if (value === undefined) assert.ok(got instanceof TaskFailedError, `${what} gave ${String(got)}`);
      else assert.deepEqual(got, value, what);
      if (ended === 'frozen') {
        doomed.child.kill('SIGCONT');
        await within(doomed.ended, `the end of ${what}`, 60_000);
      }
      const ran = died ? [...labels, ...orElse.labels] : labels;
      await until(async () => (await idle(app)) && ranIn(at.ledger).size >= ran.length, what, 60_000);
      // Two tasks at most were in its hands.
      assertRan(at, ran, 2);
      await app.close();
      return ended === 'SIGKILL' || doomed.child.signalCode === 'SIGKILL' ? 'killed' : 'through';

      /** The process stands still: then nobody hears of its end. */
      async function stalled(): Promise<'frozen'> {
        if (row !== 'lost') return new Promise(() => undefined);
        await until(() => isStopped(doomed.child.pid), 'a process that stands still', 60_000);
        return 'frozen';
      }
    }
  });

  it('end rightly though workers are killed and connections are cut all the time', async (t) => {
    const [redis, place] = await ground(t);
    await survive(t, place(), () => cutConnections(redis.port));
  });

  it('end rightly though workers are killed and connections are cut all the time, on PostgreSQL', {
    skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
  }, async (t) => {
    const server = await startPostgres();
    const ledger = ledgerFile(t);
    t.after(() => server.close());
    await survive(t, { broker: server.url, prefix: uniqueName(), ledger }, await cutter(t, server.url));
  });
});

/** Many workflows, and workers that are killed and connections that are cut under them. */
async function survive(t: TestContext, at: CrashPlace, cutAll: () => Promise<void>): Promise<void> {
  const random = randomFrom(20_240);
  const { app, tasks } = crashApp(at);
  const spawn = () => startProgram(t, FLOW_WORKER, [at.broker, at.prefix, at.ledger, LONG ? '400' : '60']);
  const workers = [spawn(), spawn(), spawn()];
  await Promise.all(workers.map((worker) => worker.message((message) => message === 'ready')));
  const flows = Array.from({ length: LONG ? 20 : 4 }, (_, n) =>
    TEN_SHAPES.map((shape, i) => ({ name: `${n}-${i}`, shape })),
  ).flat();
  const results = await Promise.all(
    flows.map(({ shape, name }) => (crashFlow(shape, name, tasks) as unknown as Sendable).applyAsync([])),
  );
  const done = { kills: 0, cuts: 0 };
  let over = false;
  const trouble = (async () => {
    while ((!over && done.kills < MOST_KILLS) || done.kills < 5 || done.cuts < 3) {
      await pause(150 + random() * 600);
      if (random() < 0.3) {
        await cutAll();
        done.cuts++;
        continue;
      }
      const index = Math.floor(random() * workers.length);
      workers[index]?.child.kill('SIGKILL');
      workers[index] = spawn();
      done.kills++;
    }
  })();
  try {
    for (const [i, { shape, name }] of flows.entries()) {
      const { outcome, ends } = evaluate(shape);
      const got: unknown = await results[i]
        ?.get({ timeout: '240s', propagate: true })
        .catch((error: unknown) => error);
      if (!(outcome instanceof Failure)) {
        assert.deepEqual(got, outcome, name);
        continue;
      }
      assert.ok(got instanceof TaskFailedError, `${name} gave ${String(got)}`);
      const cause: unknown = got.cause instanceof ChordError ? got.cause.cause : got.cause;
      assert.ok(cause instanceof RangeError, `${name} failed with ${String(cause)}`);
      assert.equal(ends.get(cause.message.slice(name.length + 1)), 'failed', name);
    }
  } finally {
    over = true;
    await trouble;
  }
  const expected = flows.flatMap(({ shape, name }) =>
    [...evaluate(shape).ends]
      .filter(([, end]) => end === 'ran' || end === 'failed')
      .map(([label]) => `${name} ${label}`),
  );
  const allRan = async () => (await idle(app)) && ranIn(at.ledger).size >= expected.length;
  await until(allRan, 'the end of everything', 120_000);
  assertRan(at, expected, Number.POSITIVE_INFINITY);
  t.diagnostic(
    JSON.stringify({ flows: flows.length, ...done, runs: total(ranIn(at.ledger)), tasks: expected.length }),
  );
  await app.close();
}

/** A Redis, and places on it with a ledger each. */
async function ground(t: TestContext): Promise<[RedisServer, () => CrashPlace]> {
  const redis = await startRedis();
  const folder = mkdtempSync(join(tmpdir(), 'celeriac-flows-'));
  t.after(async () => {
    await redis.close();
    rmSync(folder, { recursive: true });
  });
  return [
    redis,
    () => {
      const prefix = uniqueName();
      return { broker: redis.url, prefix, ledger: join(folder, prefix) };
    },
  ];
}

/** Dies at point after point, some at a time, until a process gets through. @returns how many points there were */
async function eachPoint(die: (nth: number) => Promise<'killed' | 'through'>): Promise<number> {
  for (let from = 1, points = 0; ; from += TOGETHER) {
    const round = await Promise.all(Array.from({ length: TOGETHER }, (_, i) => die(from + i)));
    points += round.filter((outcome) => outcome === 'killed').length;
    if (round.some((outcome) => outcome === 'through')) return points;
  }
}

/** The rows of the table on top of `settle`, as they are written there. */
function rowsOfSettle(): string[] {
  const text = readFileSync('src/worker/run/settle.ts', 'utf8');
  const table = text.slice(0, text.indexOf('*/')).split('outcome    written')[1] ?? '';
  return [...table.matchAll(/^ \* {3}(\w+) {2,}/gm)].map(([, name = '']) => name);
}

/** What must run has run, nothing else has, and little of it more than once. */
function assertRan({ ledger }: CrashPlace, labels: readonly string[], spare: number): void {
  const ran = ranIn(ledger);
  assert.deepEqual([...ran.keys()].sort(), [...labels].sort());
  assert.ok(total(ran) - labels.length <= spare, `ran too often: ${JSON.stringify([...ran])}`);
}

function total(ran: ReadonlyMap<string, number>): number {
  return [...ran.values()].reduce((sum, times) => sum + times, 0);
}

/** A question over a connection that was just cut is no answer. */
async function idle(app: Celeriac): Promise<boolean> {
  const queues = await app.queues.list().catch(unlessAway);
  return queues?.every(({ waiting, active, delayed }) => waiting + active + delayed === 0) ?? false;
}

async function cutConnections(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1');
  for (const type of ['normal', 'pubsub']) await client.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
  client.disconnect();
}

/** Whether the kernel says that a process is stopped. */
function isStopped(pid: number | undefined): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false; // it ended
  }
}
