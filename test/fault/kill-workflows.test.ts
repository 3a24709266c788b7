/**
 * Workflows and death: a caller that is killed at each write of a call, a worker at each write of a whole workflow, and
 * workers killed at random under two hundred workflows.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskFailedError } from 'celeriac';
import { Redis } from 'ioredis';
import { startProgram, uniqueName, until, within } from '../support/app.js';
import { CRASH_VALUE, crashApp, crashFlow, tenShapes } from '../support/flow-shapes.js';
import { startRedis } from '../support/redis.js';

const DOOMED = new URL('./programs/doomed.js', import.meta.url);
const FLOW_WORKER = new URL('./programs/flow-worker.js', import.meta.url);
const LONG = process.env.CELERIAC_CAMPAIGN === '1';

describe('workflows in trouble', { timeout: 600_000 }, () => {
  it('are accepted whole or not at all when the caller is killed at any write', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    let points = 0;
    for (let nth = 1; ; nth++) {
      const prefix = uniqueName();
      const program = startProgram(t, DOOMED, [redis.url, prefix, 'caller', String(nth)]);
      const ended = await program.ended;
      const { app, tasks } = crashApp(redis.url, prefix, async () => undefined);
      const worker = app.worker({ concurrency: 2 });
      await worker.start();
      const through = ended !== 'SIGKILL';
      if (through) assert.equal(await app.result('whole').get({ timeout: '20s' }), CRASH_VALUE);
      else {
        points++;
        // Whatever arrived runs to its end; the next workflow does too.
        assert.equal(await (await crashFlow(tasks).delay()).get({ timeout: '20s' }), CRASH_VALUE);
        await until(() => idle(app), 'queues without waiting tasks');
      }
      await app.close();
      if (through) break;
    }
    assert.ok(points >= 2, `only ${points} writes were found`);
    t.diagnostic(`${points} writes of a call`);
  });

  it('end rightly when a worker is killed at any write', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    // Few enough at a time for a small machine; the long form dies at every write, the short one at every fourth.
    const step = LONG ? 1 : 4;
    let points = 0;
    for (let from = 1, through = false; !through; from += 4 * step) {
      const round = await Promise.all([0, 1, 2, 3].map((i) => dieAt(from + i * step)));
      through = round.some((outcome) => outcome === 'through');
      points += round.filter((outcome) => outcome === 'killed').length;
    }
    assert.ok(points >= 3, `only ${points} points were met`);
    t.diagnostic(`${points} writes of a worker`);

    async function dieAt(nth: number): Promise<'killed' | 'through'> {
      const prefix = uniqueName();
      const { app, tasks } = crashApp(redis.url, prefix, async () => undefined);
      const doomed = startProgram(t, DOOMED, [redis.url, prefix, 'worker', String(nth)]);
      await doomed.message((message) => message === 'ready');
      const result = await crashFlow(tasks).applyAsync([], { taskId: 'whole' });
      if (doomed.child.connected) doomed.send({ sent: true });
      const ended = await within(doomed.ended, `the end of the worker at write ${nth}`, 60_000);
      if (ended === 'SIGKILL') await app.worker({ concurrency: 2 }).start();
      assert.equal(await result.get({ timeout: '60s' }), CRASH_VALUE, `killed at write ${nth}`);
      await until(() => idle(app), `empty queues after write ${nth}`);
      await app.close();
      return ended === 'SIGKILL' ? 'killed' : 'through';
    }
  });

  it('end rightly though workers are killed all the time', async (t) => {
    const redis = await startRedis();
    const ledger = new Redis(redis.url);
    const prefix = uniqueName();
    t.after(async () => {
      ledger.disconnect();
      await redis.close();
    });
    const { app, tasks } = crashApp(redis.url, prefix, async () => undefined);
    const workers = [0, 1, 2].map(() => startProgram(t, FLOW_WORKER, [redis.url, prefix]));
    await Promise.all(workers.map((worker) => worker.message((message) => message === 'ready')));
    const flows = Array.from({ length: LONG ? 20 : 8 }, (_, n) => tenShapes(tasks, n)).flat();
    const results = await Promise.all(flows.map(({ flow }) => flow.applyAsync()));
    let over = false;
    const killing = (async () => {
      for (let turn = 0; !over; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 700));
        const at = turn % workers.length;
        workers[at]?.child.kill('SIGKILL');
        const next = startProgram(t, FLOW_WORKER, [redis.url, prefix]);
        workers[at] = next;
        await next.message((message) => message === 'ready');
        if (turn >= (LONG ? 40 : 10)) over = true;
      }
    })();
    for (const [i, { value }] of flows.entries()) {
      const outcome = await results[i]?.get({ timeout: '120s', propagate: false });
      if (value !== undefined) assert.deepEqual(outcome, value, `workflow ${i}`);
      else assert.ok(outcome instanceof TaskFailedError, `workflow ${i} gave ${String(outcome)}`);
    }
    over = true;
    await killing;
    await until(() => idle(app), 'empty queues', 60_000);
    assert.deepEqual(await ledger.lrange(`${prefix}:ran:never`, 0, -1), [], 'what must not run');
    await app.close();
  });
});

async function idle(app: ReturnType<typeof crashApp>['app']): Promise<boolean> {
  const queues = await app.queues.list();
  return queues.every(({ waiting, active, delayed }) => waiting + active + delayed === 0);
}
