/** `celeriac worker --processes`: several processes, one node, one end. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac } from '#src/index.js';
import { until, within } from '../support/app.js';
import { project, type RunningCli, startCli } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

const TASKS = `
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Celeriac } from 'celeriac';

export const app = new Celeriac('crew', { lockDuration: '1s' });
const survivor = { maxDeliveries: 1000 };
app.task('pid', async () => process.pid);
app.task('nap', survivor, async (ms) => {
  await sleep(ms);
  return process.pid;
});
app.task('work', survivor, async function (n, ms) {
  appendFileSync(process.env.LEDGER, 's' + n + '\\n');
  await sleep(ms);
  appendFileSync(process.env.LEDGER, 'e' + n + '\\n');
  return n;
});
const kept = [];
app.task('grow', async (mb) => {
  kept.push(Buffer.alloc(mb * 1024 * 1024, 1));
  return process.pid;
});
for (const name of ['worker-init', 'worker-ready', 'worker-shutting-down', 'worker-stopped'])
  app.on(name, async ({ type, place, pid, node }) => {
    await sleep(5);
    appendFileSync(process.env.LEDGER + '-life', [place, pid === process.pid, node, type].join(' ') + '\\n');
  });
app.onCommand('pid', () => process.pid);
app.onCommand('same', ({ of }) => of);
app.onCommand('odd', ({ of }) => {
  if (process.pid === of) throw new Error('not this one');
});
app.task('stray', async () => {
  setTimeout(() => {
    throw new Error('nobody caught this');
  }, 10);
});
`;

interface Site {
  readonly app: Celeriac;
  readonly ledger: string;
  worker(...args: string[]): RunningCli;
}

function site(t: TestContext, extra: Readonly<Record<string, string>> = {}, env = {}): Site {
  const cwd = project(t, { 'package.json': '{ "type": "module" }', 'tasks.js': TASKS, ...extra });
  const prefix = `crew-${randomUUID()}`;
  const app = new Celeriac('crew', { broker: redis.url, prefix });
  t.after(() => app.close());
  const all = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix, LEDGER: `${cwd}/ledger`, ...env };
  return {
    app,
    ledger: all.LEDGER,
    worker: (...args) => startCli(t, ['worker', ...args], { cwd, env: { CELERIAC_APP: 'tasks', ...all } }),
  };
}

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** What `ps` shows of a process. */
const titleOf = (pid: number) =>
  execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).trim();

/** The processes of the only node there is. */
async function processesOf(app: Celeriac): Promise<number[]> {
  for (const reply of Object.values(await app.inspect().stats()))
    if (!('error' in reply)) return [...(reply.processes ?? [])];
  return [];
}

const sendAll = (app: Celeriac, name: string, count: number, args: unknown[] = []) =>
  Promise.all(
    Array.from({ length: count }, (_, n) => app.sendTask(name, name === 'work' ? [n, ...args] : args)),
  );

describe('celeriac worker --processes', { timeout: 290_000 }, () => {
  it('runs tasks in so many processes and is one node with summed stats', async (t) => {
    const { app, ledger, worker } = site(t);
    const running = worker('--processes', '3', '-c', '2', '-n', 'crew@test');
    await running.printed(/ready: 5 tasks, 3 × 2 at a time, from celeriac/);
    assert.match(running.output, /concurrency +3 × 2 \(async\)/);
    const sent = await sendAll(app, 'nap', 30, [50]);
    const pids = new Set(await Promise.all(sent.map((result) => result.get({ timeout: '30s' }))));
    assert.equal(pids.size, 3);
    const stats = await app.inspect().stats();
    assert.deepEqual(Object.keys(stats), ['crew@test']);
    const node = stats['crew@test'];
    assert(node !== undefined && !('error' in node));
    assert.deepEqual([...(node.processes ?? [])].sort(), [...pids].sort());
    assert(!pids.has(node.pid));
    assert.deepEqual(
      { concurrency: node.concurrency, processed: node.processed, queues: node.queues },
      { concurrency: 6, processed: { nap: 30 }, queues: [{ name: 'celeriac', concurrency: 6 }] },
    );
    assert.deepEqual(await app.inspect().ping(), { 'crew@test': 'pong' });
    assert.deepEqual(await app.inspect().registered(), {
      'crew@test': ['grow', 'nap', 'pid', 'stray', 'work'],
    });
    const ask = { timeout: '20s' };
    const { 'crew@test': replies } = await app.control.broadcast<number[]>('pid', {}, ask);
    assert.deepEqual([...(replies as number[])].sort(), [...pids].sort());
    assert.deepEqual(await app.control.broadcast('same', { of: 'all' }, ask), { 'crew@test': 'all' });
    assert.deepEqual(await app.control.broadcast('odd', { of: [...pids][0] }, ask), {
      'crew@test': { error: 'not this one' },
    });
    const naps = await sendAll(app, 'nap', 6, [3000]);
    await until(async () => {
      const { 'crew@test': active } = await app.inspect().active();
      return Array.isArray(active) && new Set(active.map(({ pid }) => pid)).size === 3 && active.length === 6;
    }, 'six running tasks in three processes');
    await Promise.all(naps.map((result) => result.get({ timeout: '30s' })));
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
    const life = readFileSync(`${ledger}-life`, 'utf8').trim().split('\n');
    const whole = ['init', 'ready', 'shutting-down', 'stopped'].map(
      (what) => `true crew@test worker-${what}`,
    );
    assert.deepEqual(
      life.filter((line) => line.startsWith('supervisor')),
      whole.map((line) => `supervisor ${line}`),
    );
    const each = whole.flatMap((line) => [1, 2, 3].map(() => `process ${line}`)).sort();
    assert.deepEqual(life.filter((line) => line.startsWith('process')).sort(), each);
    assert([...pids].every((pid) => !isAlive(pid as number)));
  });

  it('heals when one of its processes is killed; what that one held runs elsewhere', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '3', '-c', '2');
    await running.printed(/ready/);
    const before = await processesOf(app);
    const sent = await sendAll(app, 'nap', 60, [100]);
    const [victim = 0] = before;
    process.kill(victim, 'SIGKILL');
    await running.printed(/worker process died.*SIGKILL/);
    const pids = await Promise.all(sent.map((result) => result.get({ timeout: '60s' })));
    assert.equal(pids.length, 60);
    const now = await until(async () => {
      const found = await processesOf(app);
      return found.length === 3 && found;
    }, 'three processes');
    assert(now && !now.includes(victim));
    const stats = Object.values(await app.inspect().stats())[0];
    assert(stats !== undefined && 'concurrency' in stats && stats.concurrency === 6);
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });

  it('keeps what remote control changed when a process is replaced', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '2', '-c', '1');
    await running.printed(/ready/);
    await app.control.addConsumer('mail', { concurrency: 5 });
    assert.deepEqual(Object.values(await app.control.poolGrow(2)), [
      { ok: 'in each of 2 processes: concurrency is 3 now' },
    ]);
    for await (const event of app.events({ signal: t.signal })) {
      if (event.type !== 'worker-heartbeat' || event.concurrency !== 16) continue;
      assert.deepEqual(event.queues, ['celeriac', 'mail']);
      break;
    }
    const [victim = 0] = await processesOf(app);
    process.kill(victim, 'SIGKILL');
    await running.printed(/worker process died/);
    await until(async () => {
      const [stats] = Object.values(await app.inspect().stats());
      if (stats === undefined || 'error' in stats || stats.processes?.length !== 2) return false;
      assert.deepEqual(
        {
          concurrency: stats.concurrency,
          mail: stats.queues.find(({ name }) => name === 'mail')?.concurrency,
        },
        { concurrency: 6, mail: 10 },
      );
      return true;
    }, 'a process like the one before');
  });

  it('replaces a process after so many tasks, exactly, and loses none', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '2', '-c', '3', '--max-tasks-per-child', '10');
    await running.printed(/ready/);
    const sent = await sendAll(app, 'pid', 95);
    const pids = await Promise.all(sent.map((result) => result.get({ timeout: '120s' })));
    const byPid = new Map<unknown, number>();
    for (const pid of pids) byPid.set(pid, (byPid.get(pid) ?? 0) + 1);
    assert(
      [...byPid.values()].every((count) => count <= 10),
      JSON.stringify([...byPid]),
    );
    assert(byPid.size >= 10);
    // Counts of processes that are gone stay.
    await until(async () => {
      const [now] = Object.values(await app.inspect().stats());
      return now !== undefined && 'processed' in now && now.processed.pid === 95;
    }, 'all tasks counted');
  });

  it('replaces a process that holds too much', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '1', '-c', '1', '--max-memory-per-child', '400mb');
    await running.printed(/ready/);
    const first = await (await app.sendTask('grow', [350])).get({ timeout: '60s' });
    await running.printed(/recycling worker process.*exceeded maxMemoryPerChild \(\d+ MB\)/);
    const second = await (await app.sendTask('pid')).get({ timeout: '60s' });
    assert.notEqual(first, second);
  });

  it('replaces a process that an exception outside any task ended', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '1');
    await running.printed(/ready/);
    const [first] = await processesOf(app);
    await app.sendTask('stray');
    await running.printed(/an exception outside any task.*another takes its place/);
    // It may still take one before it is told to go.
    const next = async () => (await app.sendTask('pid')).get({ timeout: '60s' });
    await until(async () => (await next()) !== first, 'a task in another process', 60_000);
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });

  it('hands back at the second SIGINT and exits 0, and at SIGTERM lets tasks finish', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '2', '-c', '1');
    await running.printed(/ready/);
    const before = await processesOf(app);
    const held = await sendAll(app, 'nap', 2, [3_600_000]);
    await until(async () => {
      const [active] = Object.values(await app.inspect().active());
      return Array.isArray(active) && active.length === 2;
    }, 'two running tasks');
    running.kill('SIGINT');
    await running.printed(/SIGINT: warm shutdown/);
    running.kill('SIGINT');
    assert.equal((await within(running.ended, 'the end')).code, 0);
    assert.deepEqual(await Promise.all(held.map((result) => result.status)), ['PENDING', 'PENDING']);
    assert(before.every((pid) => !isAlive(pid)));
  });

  it('hands back at SIGQUIT at once, and exits with 1, in processes and in threads', async (t) => {
    const napping = async (...flags: string[]) => {
      const { app, worker } = site(t);
      const running = worker('-n', 'quit@test', ...flags);
      await running.printed(/ready/);
      const held = await sendAll(app, 'nap', 2, [3_600_000]);
      await until(async () => {
        const [active] = Object.values(await app.inspect().active());
        return Array.isArray(active) && active.length === 2;
      }, 'two running tasks');
      return { app, running, held, processes: await processesOf(app) };
    };
    const [processes, threads] = await Promise.all([
      napping('--processes', '2', '-c', '1'),
      napping('-P', 'threads', '-c', '2'),
    ]);
    assert.deepEqual(processes.processes.map(titleOf), [
      `celeriac worker quit@test (1 slot, process of ${processes.running.pid})`,
      `celeriac worker quit@test (1 slot, process of ${processes.running.pid})`,
    ]);
    // A terminal sends it to all of them.
    for (const pid of processes.processes) process.kill(pid, 'SIGQUIT');
    for (const { running } of [processes, threads]) running.kill('SIGQUIT');
    for (const { app, running, held } of [processes, threads]) {
      assert.equal((await within(running.ended, 'the end')).code, 1, running.output);
      assert.match(running.output, /SIGQUIT: handing back what runs, stopping now/);
      assert.deepEqual(await Promise.all(held.map((result) => result.status)), ['PENDING', 'PENDING']);
      assert.deepEqual(await app.inspect().ping(), {}, 'it has left the bus');
    }
    assert(processes.processes.every((pid) => !isAlive(pid)));
  });

  it('ends at once when it is told to while its processes still load', async (t) => {
    const slow = `export { app } from './tasks.js';
      console.log('loading');
      await new Promise((resolve) => setTimeout(resolve, process.send === undefined ? 0 : 60_000));`;
    const { worker } = site(t, { 'slow.js': slow }, { CELERIAC_APP: 'slow' });
    const running = worker('--processes', '2');
    // The supervisor itself and its two processes.
    await running.printed(/loading/, { times: 3 });
    running.kill('SIGTERM');
    assert.equal((await within(running.ended, 'the end')).code, 0);
  });

  it('leaves no process behind when the supervisor is killed', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '2');
    await running.printed(/ready/);
    const before = await processesOf(app);
    assert.equal(before.length, 2);
    running.kill('SIGKILL');
    await until(() => before.every((pid) => !isAlive(pid)), 'the end of its processes');
  });

  it('sums the metrics of its processes on one health port, and loses none with a process', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '2', '-c', '2', '--health-port', '0', '--log-format', 'json');
    await running.printed(/"ready/);
    const port = Number(/"port":(\d+)/.exec(running.output)?.[1]);
    const read = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: response.status, text: await response.text() };
    };
    assert.equal((await read('/live')).status, 200);
    assert.equal((await read('/ready')).status, 200);
    const sent = await sendAll(app, 'nap', 20, [20]);
    await Promise.all(sent.map((result) => result.get({ timeout: '30s' })));
    const value = async (line: string) =>
      Number(
        new RegExp(`^${line.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec((await read('/metrics')).text)?.[1],
      );
    const done = 'celeriac_tasks_total{task="nap",state="SUCCESS"}';
    await until(async () => (await value(done)) === 20, 'twenty counted tasks');
    assert.equal(await value('celeriac_workers'), 2);
    assert.equal(await value('celeriac_worker_concurrency'), 4);
    assert.equal(await value('celeriac_slots_size'), 4);
    assert.equal((await value('celeriac_slots_used')) + (await value('celeriac_slots_free')), 4);
    assert.equal(await value('celeriac_queue_depth{queue="celeriac",state="waiting"}'), 0);
    const [victim = 0] = await processesOf(app);
    process.kill(victim, 'SIGKILL');
    await until(async () => (await processesOf(app)).length === 2, 'two processes');
    assert.equal(await value(done), 20);
  });

  it('knows what a process did that was killed before anybody asked it', async (t) => {
    const armed = `
      import { app } from './tasks.js';
      export { app };
      app.task('shoot', { maxDeliveries: 1 }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        process.kill(process.pid, 'SIGKILL');
      });`;
    const { app, worker } = site(t, { 'armed.js': armed }, { CELERIAC_APP: 'armed' });
    const running = worker('--processes', '1');
    await running.printed(/ready/);
    const sent = await sendAll(app, 'nap', 3, [1]);
    await Promise.all(sent.map((result) => result.get({ timeout: '30s' })));
    await app.sendTask('shoot', []);
    await running.printed(/worker process died/);
    const stats = await until(async () => {
      const [reply] = Object.values(await app.inspect().stats());
      return reply !== undefined && !('error' in reply) && reply;
    }, 'the process after it');
    assert.ok(stats !== false);
    assert.equal(stats.processed['nap'], 3);
    assert.equal(stats.slots.used + stats.slots.free, stats.slots.size);
  });

  it('gives running tasks as long as --shutdown-timeout says, however long that is', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--processes', '1', '--shutdown-timeout', '60d');
    await running.printed(/ready/);
    const [sent] = await sendAll(app, 'nap', 1, [2000]);
    await until(async () => (await sent?.status) === 'STARTED', 'the start of the task');
    running.kill('SIGTERM');
    assert.equal((await within(running.ended, 'the end')).code, 0);
    assert.equal(await sent?.status, 'SUCCESS');
    assert.doesNotMatch(running.output, /killed/);
  });

  it('announces itself before its processes take their first task', async (t) => {
    const late = `
      import { app } from './tasks.js';
      export { app };
      app.on('worker-online', async () => {
        console.log('online begins');
        await new Promise((resolve) => setTimeout(resolve, 1000));
        console.log('online ends');
      });`;
    const { app, worker } = site(t, { 'late.js': late }, { CELERIAC_APP: 'late' });
    const [sent] = await sendAll(app, 'nap', 1, [1]);
    const running = worker('--processes', '2');
    await sent?.get({ timeout: '60s' });
    assert.match(running.output, /online begins[\s\S]*online ends/);
    assert.equal(running.output.match(/online begins/g)?.length, 1);
  });

  it('is refused on an embedded broker, with 2', async (t) => {
    const running = site(t, {}, { CELERIAC_BROKER_URL: 'memory://' }).worker('--processes', '2');
    const { code, stderr } = await running.ended;
    assert.equal(code, 2);
    assert.match(stderr, /processes 2: the broker at memory:.* serves one process/);
  });
});
