/** What workers tell of themselves and of tasks, in the shapes their callers rely on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorReply, TaskReport } from 'celeriac';
import { gate, onEveryEngine, until } from '../support/app.js';

const ask = { timeout: '20s' } as const;

/** The reply of the only node there is. */
async function only<R>(replies: Promise<Record<string, R | ErrorReply>>): Promise<R> {
  const [reply, ...others] = Object.values(await replies);
  assert.equal(others.length, 0);
  assert(reply !== undefined);
  assert(!isError(reply), JSON.stringify(reply));
  return reply;
}

function isError(reply: unknown): reply is ErrorReply {
  return typeof reply === 'object' && reply !== null && 'error' in reply;
}

describe('inspect', () => {
  onEveryEngine((ground) => {
    it('scheduled() lists delayed tasks of its own queues, soonest first, with the moment they are due', async (t) => {
      const { app, worker } = ground.app(t);
      app.task('later', (n: number) => n);
      const [soon, late] = [new Date(Date.now() + 3_600_000), new Date(Date.now() + 7_200_000)];
      await app.sendTask('later', [2], { eta: late, taskId: 'mine/2' });
      const first = await app.sendTask('later', [1], { eta: soon });
      await app.sendTask('later', [3], { eta: soon, queue: 'of-others' });
      await worker();
      const tasks = await only(app.inspect(ask).scheduled());
      const common = { name: 'later', queue: 'celeriac', retries: 0, deliveries: 0, pid: process.pid };
      assert.deepEqual(tasks, [
        { id: first.id, args: [1], eta: soon.toISOString(), ...common },
        { id: 'mine/2', args: [2], eta: late.toISOString(), ...common },
      ]);
    });

    it('scheduled() has retries that wait, and tasks in the lanes of limited ones under their queue', async (t) => {
      const { app, worker } = ground.app(t);
      const failing = app.task('failing', { retryDelay: () => '1h', autoretryFor: true }, () => {
        throw new Error('not yet');
      });
      const rated = app.task('rated/100%', { rateLimit: '100/s' }, () => undefined);
      await worker();
      const retried = await failing.delay();
      const waiting = await rated.applyAsync([], { countdown: '2h' });
      await until(async () => (await retried.status) === 'RETRY', 'the retry');
      const tasks = await only(app.inspect(ask).scheduled());
      assert.deepEqual(
        tasks.map(({ id, name, queue, retries, deliveries }) => ({ id, name, queue, retries, deliveries })),
        [
          { id: retried.id, name: 'failing', queue: 'celeriac', retries: 1, deliveries: 1 },
          { id: waiting.id, name: 'rated/100%', queue: 'celeriac', retries: 0, deliveries: 0 },
        ],
      );
      for (const { eta } of tasks) assert(Date.parse(eta ?? '') > Date.now() + 3_000_000, eta);
    });

    it('scheduled() leaves out what was revoked, and a thousand is the most it shows', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('later', (_n: number) => undefined);
      const sent = await Promise.all(
        Array.from({ length: 1005 }, (_, n) => task.applyAsync([n], { countdown: 3_600_000 + n * 1000 })),
      );
      await worker();
      const tasks = await only(app.inspect(ask).scheduled());
      assert.deepEqual(
        tasks.map(({ args }) => args[0]),
        Array.from({ length: 1000 }, (_, n) => n),
      );
      await sent[0]?.revoke();
      await until(async () => {
        const left = await only(app.inspect(ask).scheduled());
        return left[0]?.args[0] === 1;
      }, 'the revoked one to go');
    });

    it('queryTask() finds what runs, what is delayed and what waits, and leaves out the rest', async (t) => {
      const { app, worker } = ground.app(t);
      const [started, finish] = [gate(), gate()];
      const long = app.task('long', async (_: string) => {
        started.open();
        await finish.opened;
      });
      await worker({ concurrency: 1 });
      const running = await long.applyAsync(['now'], { taskId: 'the one' });
      await started.opened;
      const waiting = await long.delay('next');
      const delayed = await long.applyAsync(['then'], { countdown: '1h' });
      const found = await only(app.inspect(ask).queryTask(running.id, waiting.id, delayed.id, 'never sent'));
      assert.deepEqual(
        Object.entries(found).map(([id, { state, info }]) => [id, state, info.id, info.args]),
        [
          ['the one', 'active', 'the one', ['now']],
          [waiting.id, 'waiting', waiting.id, ['next']],
          [delayed.id, 'scheduled', delayed.id, ['then']],
        ],
      );
      assert.match(found['the one']?.info.startedAt ?? '', /^\d{4}-.*Z$/);
      finish.open();
      await running.get({ timeout: '20s' });
      assert.equal((await only(app.inspect(ask).queryTask('the one')))['the one'], undefined);
      await assert.rejects(app.inspect().queryTask(''), { code: 'OPTION' });
    });

    it("a command of the app's own runs on each node, which replies with what its handler gives or throws", async (t) => {
      const { app, twin, worker } = ground.app(t);
      const other = twin();
      for (const each of [app, other])
        each.onCommand('reload', async (args: { prices?: boolean }, { node }) => {
          if (args.prices === true && node === 'two') throw new RangeError('no prices here');
          return { node, args, text: '\0' };
        });
      await worker({ name: 'one' });
      await other.worker({ name: 'two' }).start();
      const of = (node: string, args: object) => ({ node, args, text: '\0' });
      assert.deepEqual(await app.control.broadcast('reload', undefined, ask), {
        one: of('one', {}),
        two: of('two', {}),
      });
      assert.deepEqual(await twin().control.broadcast('reload', { prices: true }, ask), {
        one: of('one', { prices: true }),
        two: { error: 'no prices here' },
      });
      const only = { ...ask, destination: ['two'] };
      assert.deepEqual(await app.control.broadcast('reload', [1], only), { two: of('two', [1]) });
      app.onCommand('slow', () => new Promise(() => undefined));
      assert.deepEqual(await app.control.broadcast('slow', {}, { destination: ['one'], timeout: '50ms' }), {
        one: { error: 'no answer' },
      });
      assert.deepEqual(await app.control.broadcast('slwo', {}, { ...ask, destination: ['one'] }), {
        one: { error: 'unknown command "slwo". Did you mean "slow"?' },
      });
    });

    it('reserved() is empty: what was fetched runs', async (t) => {
      const { app, worker } = ground.app(t);
      app.task('x', () => 1);
      await worker();
      assert.deepEqual(await only(app.inspect(ask).reserved()), []);
    });

    it('active() shows arguments that JSON does not know, and cuts what is too long to look at', async (t) => {
      const { app, worker } = ground.app(t, { serializer: 'rich' });
      const [started, finish] = [gate(), gate()];
      const task = app.task('odd', async (..._: unknown[]) => {
        started.open();
        await finish.opened;
      });
      await worker();
      const at = new Date();
      await task.delay(12n, new Map([['a', 1]]), at, 'nul \0 and \ud800', 'x'.repeat(100_000));
      await started.opened;
      const [report] = await only<TaskReport[]>(app.inspect(ask).active());
      finish.open();
      const [big, map, date, text, long] = report?.args ?? [];
      assert.deepEqual([big, map, date, text], ['12', { a: 1 }, at.toISOString(), 'nul \0 and \ud800']);
      assert(typeof long === 'string' && long.length < 1000 && long.endsWith('…'));
    });

    it('conf() and report() show settings, and no password', async (t) => {
      const vault = { name: 'vault', key: 'k3y of the vault', encode: JSON.stringify, decode: JSON.parse };
      const options = { resultExpires: '2h', routes: { 'mail.*': 'mail' }, serializer: vault } as const;
      const { app, worker } = ground.app(t, options);
      app.task('x', () => 1);
      const { node } = await worker({ concurrency: 3, timeLimit: '1m', queues: ['celeriac', 'mail'] });
      const conf = await only(app.inspect(ask).conf());
      assert.deepEqual(
        [conf.app, conf.defaultQueue, conf.resultExpires, conf.routes],
        ['test', 'celeriac', 7_200_000, { 'mail.*': 'mail' }],
      );
      assert.deepEqual(conf.worker, {
        name: node,
        queues: { celeriac: 3, mail: 3 },
        concurrency: 3,
        pool: 'async',
        timeLimit: 60_000,
        shutdownTimeout: 1000,
      });
      const report = await only(app.inspect(ask).report());
      assert.match(report, /^celeriac \d.*Node \d/);
      assert(report.includes(`node ${node}, pid ${process.pid}`));
      assert.match(report, /resultExpires 7200000/);
      assert.equal(conf.serializer, 'vault');
      assert(!report.includes(vault.key) && !JSON.stringify(conf).includes(vault.key));
    });
  });
});

describe('control', () => {
  onEveryEngine((ground) => {
    it('timeLimit changes the limits of what starts from then on; null takes them away', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('slow', { softTimeLimit: '1h' }, async function () {
        const { softTimeLimit, timeLimit } = this.request;
        return [softTimeLimit ?? 'none', timeLimit ?? 'none'];
      });
      const limits = async (options = {}) => (await task.applyAsync([], options)).get({ timeout: '20s' });
      const { node } = await worker({ timeLimit: '2h' });
      assert.deepEqual(await limits(), [3_600_000, 7_200_000]);
      assert.deepEqual(await app.control.timeLimit('slow', '10s', '20s', ask), {
        [node]: { ok: 'time limits of slow: soft 10s, hard 20s' },
      });
      assert.deepEqual(await limits(), [10_000, 20_000]);
      assert.deepEqual(await limits({ softTimeLimit: '1s' }), [1000, 20_000], 'the call’s own win');
      await app.control.timeLimit('slow', null, null, ask);
      assert.deepEqual(await limits(), ['none', 'none']);
      assert.deepEqual(await app.control.timeLimit('nobody', '1s', '2s', ask), {
        [node]: { error: 'task "nobody" is not registered here' },
      });
      await assert.rejects(app.control.timeLimit('slow', '2s', '1s'), { code: 'OPTION' });
      await assert.rejects(app.control.timeLimit('slow', 'soon' as never), { code: 'OPTION' });
    });

    it('a time limit set at runtime ends a task', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('endless', { maxRetries: 0 }, () => new Promise<never>(() => undefined));
      await worker();
      await app.control.timeLimit('endless', null, '50ms', ask);
      await assert.rejects((await task.delay()).get({ timeout: '20s' }), { errorName: 'TimeLimitExceeded' });
    });

    it('loglevel holds back what is below it, and lets it through again', async (t) => {
      const { app, worker, lines } = ground.app(t);
      const task = app.task('recorded', () => 1);
      const { node } = await worker();
      const succeeded = () => lines.filter(({ message }) => message === 'task succeeded').length;
      const run = async () => (await task.delay()).get({ timeout: '20s' });
      await run();
      await until(() => succeeded() === 1, 'the first line');
      assert.deepEqual(await app.control.loglevel('WARNING', ask), {
        [node]: { ok: 'log level is warn now' },
      });
      await run();
      await app.control.loglevel('debug', ask);
      await run();
      await until(() => succeeded() === 2, 'the third task’s line');
      await assert.rejects(app.control.loglevel('inof'), /Did you mean "info"/);
    });
  });
});
