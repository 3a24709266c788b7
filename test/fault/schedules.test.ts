/**
 * A schedule of every second over three worker processes, which are killed one after the other. What ran is read from
 * a ledger that the tasks write, by the number of the tick each of them belongs to: how late it is does not matter.
 * `CELERIAC_CAMPAIGN=1`: a minute of it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, every } from 'celeriac';
import { Redis } from 'ioredis';
import { type Program, startProgram, testApp, uniqueName, until } from '../support/app.js';
import { ready } from '../support/fault-fleet.js';
import { startRedis } from '../support/redis.js';

const WORKER = new URL('./programs/ticking-worker.js', import.meta.url);
const SECONDS = process.env.CELERIAC_CAMPAIGN === undefined ? 15 : 60;
const WORKERS = 3;
/** Those of the worker program. */
const TASKS = ['kept', 'dropped'];

interface Line {
  readonly id: string;
  readonly deliveries: number;
  readonly dueAt: number;
  readonly pid: number;
}

describe('a schedule of every second', { timeout: 300_000 }, () => {
  it('ticks once each second, though every worker that keeps it is killed in turn', async (t) => {
    const redis = await startRedis();
    const ledger = new Redis(redis.url);
    const prefix = uniqueName();
    const app = new Celeriac('watching', { broker: redis.url, prefix, publishRetry: '20s' });
    t.after(async () => {
      ledger.disconnect();
      await app.close();
      await redis.close();
    });
    const spawn = () => startProgram(t, WORKER, [redis.url, prefix]);
    const fleet: Program[] = Array.from({ length: WORKERS }, spawn);
    await Promise.all(fleet.map(ready));

    const linesOf = async (task: string): Promise<Line[]> =>
      (await ledger.lrange(task, 0, -1)).map((line) => JSON.parse(line) as Line);
    const seconds = async () => {
      const dues = await Promise.all(
        TASKS.map(async (task) => (await linesOf(task)).map(({ dueAt }) => dueAt)),
      );
      return Math.min(...dues.map((all) => new Set(all).size));
    };
    for (let kills = 1; kills <= WORKERS; kills++) {
      await until(async () => (await seconds()) >= (kills * SECONDS) / (WORKERS + 1), 'more ticks', 120_000);
      const victim = fleet.shift();
      victim?.child.kill('SIGKILL');
      const next = spawn();
      fleet.push(next);
      await ready(next);
    }
    await until(async () => (await seconds()) >= SECONDS, 'the last ticks', 120_000);

    for (const task of TASKS) {
      const entry = await app.schedules.pause(task);
      const last = entry.lastRunAt?.getTime();
      await until(
        async () => (await linesOf(task)).some(({ dueAt }) => dueAt === last),
        `the end of ${task}`,
      );
      const lines = await linesOf(task);
      const dues = [...new Set(lines.map(({ dueAt }) => dueAt))].sort((a, b) => a - b);
      const numbers = dues.map((dueAt) => (dueAt - (dues[0] ?? 0)) / 1000);
      assert.deepEqual(numbers, [...numbers.keys()], `the ticks of ${task}`);
      assert.ok(numbers.length >= SECONDS);
      // One task a tick; a killed worker's own run of it is run again, and says so.
      assert.equal(new Set(lines.map(({ id }) => id)).size, dues.length);
      assert.equal(new Set(lines.map(({ id, deliveries }) => `${id} ${deliveries}`)).size, lines.length);
      const pids = new Set(lines.map(({ pid }) => pid)).size;
      t.diagnostic(`${task}: ${dues.length} ticks, ${lines.length} runs, ${pids} processes`);
    }
    for (const program of fleet) if (program.child.connected) program.send('stop' as never);
    await Promise.all(fleet.map((program) => program.ended));
  });
});

describe('Schedules of a broker that lost its data', { timeout: 120_000 }, () => {
  it('are declared again by the workers that live on, each its own', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const one = testApp(t, { broker: redis.url });
    const two = one.twin();
    const ran = new Set<string>();
    for (const [app, name] of [
      [one.app, 'one'],
      [two, 'two'],
    ] as const)
      app.task(name, { schedule: every('1s'), queue: name }, () => void ran.add(name));
    await one.worker({ queues: ['one'] });
    const other = two.worker({ queues: ['two'] });
    await other.start();
    t.after(() => other.stop());
    const both = async () => {
      const names = await one.app.schedules.list().then((all) => all.map(({ name }) => name).sort());
      return names.join() === 'one,two' && ran.size === 2;
    };
    await until(both, 'both, and their ticks');
    await redis.stop('SIGKILL');
    await redis.start();
    ran.clear();
    await until(() => both().catch(() => false), 'both again, and their ticks', 60_000);
  });
});
