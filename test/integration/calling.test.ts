import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  chain,
  currentTask,
  InvalidArgumentsError,
  NotSerializableError,
  OptionError,
  type RouteFunction,
} from 'celeriac';
import { z } from 'zod';
import { Counter, gate, onEveryEngine, rejection, until } from '../support/app.js';

describe('Call options', () => {
  onEveryEngine((ground) => {
    it('countdown and eta: a task starts no earlier, by the broker’s clock', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('when', () => {
        const { sentAt, eta } = currentTask()?.request ?? {};
        return { sentAt: sentAt?.toISOString(), eta: eta?.toISOString() };
      });
      await worker();
      const eta = new Date(Date.now() + 400);
      const sent = await Promise.all([
        task.applyAsync([], { countdown: 250 }),
        task.applyAsync([], { eta }),
        task.applyAsync([], { eta: eta.toISOString() }),
        task.applyAsync([], { countdown: '-10s' }),
      ]);
      assert.equal(await sent[0].status, 'PENDING');
      const waits = await Promise.all(
        sent.map(async (result) => {
          await result.get({ timeout: '20s' });
          const { sentAt, startedAt } = await result.snapshot();
          assert(sentAt !== undefined && startedAt !== undefined);
          return { startedAt: startedAt.getTime(), waited: startedAt.getTime() - sentAt.getTime() };
        }),
      );
      assert((waits[0]?.waited ?? 0) >= 250, `countdown: ${waits[0]?.waited}`);
      assert((waits[1]?.startedAt ?? 0) >= eta.getTime(), 'eta as a Date');
      assert((waits[2]?.startedAt ?? 0) >= eta.getTime(), 'eta as text');
      const { eta: seen } = (await sent[1].get()) as { eta: string };
      assert.equal(seen, eta.toISOString());
    });

    it('many at once: a crowd takes longer than publishRetry, which is no outage', async (t) => {
      const { app } = ground.app(t, { publishRetry: '700ms' });
      const task = app.task('one of many', (n: number) => n);
      await task.delay(0);
      const size = ground.engine === 'redis' ? 40_000 : 1000;
      const results = await Promise.all(Array.from({ length: size }, (_, n) => task.delay(n)));
      assert.equal(new Set(results.map(({ id }) => id)).size, size);
      const [queue] = await app.queues.list();
      assert.equal(queue?.waiting, size + 1);
    });

    it('countdown: the task waits as PENDING and runs once, with two workers looking', async (t) => {
      const { app, worker } = ground.app(t);
      const runs = new Counter();
      const task = app.task('once', () => void runs.add());
      await Promise.all([worker({ name: 'a' }), worker({ name: 'b' })]);
      const sent = await Promise.all(
        Array.from({ length: 20 }, () => task.applyAsync([], { countdown: 150 })),
      );
      await Promise.all(sent.map((result) => result.get({ timeout: '20s' })));
      assert.equal(runs.count, 20);
      for (const result of sent) assert.equal((await result.snapshot()).retries, 0);
    });

    it('priority: the most urgent first, equals in the order they were sent', async (t) => {
      const { app, worker } = ground.app(t);
      const order: string[] = [];
      const note = app.task('note', (what: string) => void order.push(what));
      for (const [what, priority] of [
        ['late 1', 9],
        ['middle 1', 5],
        ['urgent 1', 0],
        ['middle 2', 5],
        ['last', 2_097_151],
        ['urgent 2', undefined],
        ['late 2', 9],
        ['soon', 1],
      ] as const) {
        await note.applyAsync([what], priority === undefined ? {} : { priority });
      }
      await worker({ concurrency: 1 });
      await until(() => order.length === 8, 'all eight');
      assert.deepEqual(order, [
        'urgent 1',
        'urgent 2',
        'soon',
        'middle 1',
        'middle 2',
        'late 1',
        'late 2',
        'last',
      ]);
    });

    it('priority: what was given is what the task sees', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('see', { priority: 7 }, () => currentTask()?.request.priority);
      await worker();
      assert.equal(await (await task.delay()).get({ timeout: '20s' }), 7);
      assert.equal(await (await task.applyAsync([], { priority: 3 })).get({ timeout: '20s' }), 3);
      assert.equal(await (await task.applyAsync([], { priority: 0 })).get({ timeout: '20s' }), 0);
    });

    it('headers and limits reach the request', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('see', { softTimeLimit: '1m' }, () => {
        const { headers, timeLimit, softTimeLimit, expires, queue, deliveries, retries, isEager } =
          currentTask()?.request ?? {};
        return {
          headers,
          timeLimit,
          softTimeLimit,
          hasExpiry: expires instanceof Date,
          queue,
          deliveries,
          retries,
          isEager,
        };
      });
      await worker({ queues: ['celeriac', 'other'] });
      const sent = await task.applyAsync([], {
        headers: { tenant: 'blue', nested: { list: [1, null] } },
        timeLimit: '1h',
        expires: '2h',
        queue: 'other',
      });
      assert.deepEqual(await sent.get({ timeout: '20s' }), {
        headers: { tenant: 'blue', nested: { list: [1, null] } },
        timeLimit: 3_600_000,
        softTimeLimit: 60_000,
        hasExpiry: true,
        queue: 'other',
        deliveries: 1,
        retries: 0,
        isEager: false,
      });
    });

    it('headers may hold any text', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('see', () => currentTask()?.request.headers);
      await worker();
      const headers = { odd: 'a\u0000\ud800b', '\u0000': '\u2400' };
      assert.deepEqual(await (await task.applyAsync([], { headers })).get({ timeout: '20s' }), headers);
    });

    it('a limit of null takes the task’s own limit away for this call', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('limits', { softTimeLimit: '1m', timeLimit: '2m' }, () => {
        const { timeLimit = 'none', softTimeLimit = 'none' } = currentTask()?.request ?? {};
        return [softTimeLimit, timeLimit];
      });
      await worker();
      assert.deepEqual(await (await task.delay()).get({ timeout: '20s' }), [60_000, 120_000]);
      const free = await task.applyAsync([], { softTimeLimit: null, timeLimit: null });
      assert.deepEqual(await free.get({ timeout: '20s' }), ['none', 'none']);
    });

    it('shadow: the name that logs show instead of the task’s', async (t) => {
      const { app, worker, lines } = ground.app(t);
      const task = app.task('real', () => 1);
      await worker();
      const sent = await task.applyAsync([], { shadow: 'shown' });
      await sent.get({ timeout: '20s' });
      const line = await until(
        () => lines.find(({ message }) => message === 'task succeeded'),
        'the log line',
      );
      assert.equal(line?.fields.task, 'shown');
      assert.equal((await sent.snapshot()).name, 'real');
    });

    it('unknown and wrong options are refused before anything is sent', async (t) => {
      const { app } = ground.app(t, { queues: ['mail'] });
      const task = app.task('strict', () => 1);
      const refused = async (options: object, pattern: RegExp) => {
        const error = await rejection(task.applyAsync([], { taskId: 'strict-1', ...options }));
        assert(error instanceof OptionError, String(error));
        assert.match(error.message, pattern);
        assert.equal(await app.result('strict-1').exists(), false);
      };
      await refused({ countDown: 5 }, /unknown option "countDown".*Did you mean "countdown"/);
      await refused({ countdown: '10' }, /countdown: "10" is not a duration/);
      await refused({ countdown: 1, eta: new Date() }, /countdown|eta/);
      await refused({ eta: 'soon' }, /eta: "soon" is not a moment/);
      await refused({ priority: -1 }, /priority -1/);
      await refused({ priority: 1.5 }, /priority 1\.5/);
      await refused({ queue: 'a:b' }, /"a:b" is not a queue name/);
      await refused({ queue: 'mial' }, /the queue "mial" is none .* Did you mean "mail"\?/);
      await assert.rejects(app.publish([task.s(), task.s().set({ queue: 'mial' })]), /"mial"/);
      await assert.rejects(chain(task.s(), task.si().set({ queue: 'mial' })).delay(), /"mial"/);
      assert.deepEqual(await app.queues.list(), []);
      await refused({ taskId: '' }, /taskId/);
      await refused({ softTimeLimit: '2s', timeLimit: '1s' }, /softTimeLimit/);
      await refused({ maxRetries: -1 }, /maxRetries/);
      await refused({ headers: 'x' }, /headers/);
    });

    it('rootId and parentId lead from a task back to the first one', async (t) => {
      const { app, worker } = ground.app(t);
      const leaf = app.task('leaf', () => {
        const { rootId, parentId, id } = currentTask()?.request ?? {};
        return { rootId, parentId, id };
      });
      const middle = app.task('middle', async () => (await leaf.delay()).id);
      const root = app.task('root', async () => (await middle.delay()).id);
      await worker();
      const first = await root.delay();
      const middleId = await first.get({ timeout: '20s' });
      const leafId = await app.result<string>(middleId).get({ timeout: '20s' });
      assert.deepEqual(await app.result(leafId).get({ timeout: '20s' }), {
        rootId: first.id,
        parentId: middleId,
        id: leafId,
      });
      const snapshot = await app.result(leafId).snapshot();
      assert.deepEqual([snapshot.rootId, snapshot.parentId], [first.id, middleId]);
      const alone = await first.snapshot();
      assert.deepEqual([alone.rootId, alone.parentId], [first.id, undefined]);
    });

    it('concurrent calls leave together and each gets its own result', async (t) => {
      const { app, worker } = ground.app(t);
      const double = app.task('double', (n: number) => n * 2);
      await worker();
      const numbers = Array.from({ length: 1200 }, (_, n) => n);
      const sent = await Promise.all(numbers.map((n) => double.delay(n)));
      assert.equal(new Set(sent.map(({ id }) => id)).size, numbers.length);
      const values = await Promise.all(sent.map((result) => result.get({ timeout: '60s' })));
      assert.deepEqual(
        values,
        numbers.map((n) => n * 2),
      );
    });

    it('handle methods are bound, and a signature can be sent later with arguments in front', async (t) => {
      const { app, worker } = ground.app(t);
      const join = app.task('join', (...words: string[]) => words.join(' '));
      await worker();
      const { delay } = join;
      assert.equal(await (await delay('a', 'b')).get({ timeout: '20s' }), 'a b');
      const signature = join.s('world');
      assert.deepEqual(JSON.parse(JSON.stringify(signature)), { task: 'join', args: ['world'], options: {} });
      assert.equal(await (await signature.delay('hello')).get({ timeout: '20s' }), 'hello world');
      const named = signature.set({ taskId: 'greeting' });
      assert.notEqual(named, signature);
      assert.equal((await named.delay('hi')).id, 'greeting');
      assert.equal(await app.result('greeting').get({ timeout: '20s' }), 'hi world');
      const results = await app.publish([join.s('x'), join.s('y').set({ queue: 'celeriac' })]);
      assert.deepEqual(await Promise.all(results.map((result) => result.get({ timeout: '20s' }))), [
        'x',
        'y',
      ]);
    });

    it('publish sends many over several queues, in the order of the list; special ones among them too', async (t) => {
      const { app, worker } = ground.app(t);
      const double = app.task('double', (n: number) => n * 2);
      const plus = app.task('plus', (a: number, b: number) => a + b);
      await worker({ queues: ['celeriac', 'other'] });
      const signatures = Array.from({ length: 1_203 }, (_, n) =>
        double.s(n).set(n % 3 === 0 ? { queue: 'other' } : {}),
      );
      const results = await app.publish([
        ...signatures,
        double.s(7).set({ taskId: 'by-its-own-id' }),
        double.s(8).set({ unique: { key: () => 'one', mode: 'reject' } }),
        double.s(4).link(plus.s(1)),
      ]);
      const values = await Promise.all(results.map((result) => result.get({ timeout: '60s' })));
      assert.deepEqual(values, [...signatures.map((_, n) => n * 2), 14, 16, 8]);
      assert.equal(results.at(-3)?.id, 'by-its-own-id');
    });

    it('publish sends nothing when one of the list is wrong', async (t) => {
      const { app, worker } = ground.app(t);
      const runs = new Counter();
      const count = app.task('count', { args: [z.number()] }, (_: number) => void runs.add());
      const wrong = await rejection(app.publish([count.s(1), count.s('two' as never), count.s(3)]));
      assert(wrong instanceof InvalidArgumentsError, String(wrong));
      await worker();
      await (await count.delay(4)).get({ timeout: '20s' });
      assert.equal(runs.count, 1);
    });

    it('apply runs here and now, retries included, and its id is the request’s', async (t) => {
      const { app } = ground.app(t);
      let attempts = 0;
      const flaky = app.task('flaky', { autoretryFor: true }, async (value: number) => {
        attempts++;
        if (attempts < 3) throw new Error('not yet');
        const { request } = currentTask() ?? {};
        await currentTask()?.updateState('PROGRESS', { half: true });
        return [value, request?.id, request?.isEager, request?.retries];
      });
      const done = await flaky.apply([7], { taskId: 'eager-1' });
      assert.equal(attempts, 3);
      assert.deepEqual(await done.get(), [7, 'eager-1', true, 2]);
      assert.equal(await done.status, 'SUCCESS');
      const failing = app.task('failing', { maxRetries: 0 }, () => {
        throw new TypeError('wrong');
      });
      const failed = await failing.apply([]);
      assert.equal(await failed.status, 'FAILURE');
      assert.match((await rejection(failed.get())).message, /failing .*wrong/);
      assert.equal((await rejection(failed.get())).cause instanceof TypeError, true);
    });

    it('a wrong call is refused with every violation and nothing is sent', async (t) => {
      const { app, worker } = ground.app(t);
      const ran = new Counter();
      const task = app.task(
        'typed',
        { args: [z.string().min(3), z.number().int()] },
        (_text: string, _n: number) => void ran.add(),
      );
      const error = await rejection(task.applyAsync(['x', 1.5] as never, { taskId: 'wrong' }));
      assert(error instanceof InvalidArgumentsError);
      assert.deepEqual(
        error.violations.map(({ path }) => path),
        ['0', '1'],
      );
      assert.equal(await app.result('wrong').exists(), false);
      const many = await rejection(task.applyAsync(['long enough', 1, 2] as never));
      assert(many instanceof InvalidArgumentsError, String(many));
      const odd = app.task('odd', (_: unknown) => 1);
      const lost = await rejection(odd.applyAsync([{ at: [new Map()] }], { taskId: 'lost' }));
      assert(lost instanceof NotSerializableError);
      assert.equal(lost.path, 'args[0].at[0]');
      assert.equal(await app.result('lost').exists(), false);
      await worker();
      await (await task.delay('fine!', 1)).get({ timeout: '20s' });
      assert.equal(ran.count, 1);
    });

    it('wrong arguments from elsewhere fail the task at once, whatever its retry options', async (t) => {
      const { app, worker, twin } = ground.app(t);
      app.task('typed', { args: [z.string()], autoretryFor: true }, () => 'ran');
      await worker();
      const sent = await twin().sendTask('typed', [1]);
      const error = await rejection(sent.get({ timeout: '20s' }));
      assert(error.cause instanceof InvalidArgumentsError);
      assert.equal(error.cause.violations[0]?.path, '0');
      assert.equal((await sent.snapshot()).retries, 0);
    });

    it('a result that JSON would change fails the task with its path', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('odd', { autoretryFor: true }, () => ({ list: [1, Number.NaN] }));
      await worker();
      const error = await rejection((await task.delay()).get({ timeout: '20s' }));
      assert(error.cause instanceof NotSerializableError, String(error.cause));
      assert.match(error.cause.path, /list\[1\]$/);
    });
  });
});

describe('Routes', () => {
  onEveryEngine((ground) => {
    it('send a task by exact name, glob, expression and function; the call’s own options win', async (t) => {
      const byFunction: RouteFunction = (name, args, options) =>
        name === 'fn' && args[0] === 'x' && options.priority === undefined
          ? { queue: 'fn', priority: 4 }
          : undefined;
      const { app } = ground.app(t, {
        routes: [
          ['exact', 'one'],
          ['mail.*', { queue: 'mail', priority: 2 }],
          [/^img\d/, 'images'],
          byFunction,
        ],
      });
      const queueOf = async (name: string, args: unknown[] = [], options = {}) =>
        (await (await app.sendTask(name, args, options)).snapshot()).queue;
      assert.equal(await queueOf('exact'), 'one');
      assert.equal(await queueOf('exactly'), 'celeriac');
      assert.equal(await queueOf('mail.welcome'), 'mail');
      assert.equal(await queueOf('img7'), 'images');
      assert.equal(await queueOf('fn', ['x']), 'fn');
      assert.equal(await queueOf('fn', ['y']), 'celeriac');
      assert.equal(await queueOf('mail.welcome', [], { queue: 'mine' }), 'mine');
    });

    it('as a map work the same way, and their options reach the task', async (t) => {
      const { app, worker } = ground.app(t, {
        routes: { 'mail.*': { queue: 'mail', priority: 2 } },
        annotations: { 'mail.u*': { priority: 5 } },
      });
      const send = app.task('mail.send', () => [
        currentTask()?.request.queue,
        currentTask()?.request.priority,
      ]);
      await worker({ queues: ['mail'] });
      assert.deepEqual(await (await send.delay()).get({ timeout: '20s' }), ['mail', 2]);
      assert.deepEqual(await (await send.applyAsync([], { priority: 1 })).get({ timeout: '20s' }), [
        'mail',
        1,
      ]);
      const urgent = app.task('mail.urgent', { priority: 3 }, () => currentTask()?.request.priority);
      assert.equal(await (await urgent.delay()).get({ timeout: '20s' }), 5);
      assert.equal(await (await urgent.applyAsync([], { priority: 1 })).get({ timeout: '20s' }), 1);
    });
  });
});

describe('Middleware', () => {
  onEveryEngine((ground) => {
    it('wraps sending and running, outermost first, and may add headers', async (t) => {
      const { app, worker } = ground.app(t);
      const seen: string[] = [];
      for (const name of ['outer', 'inner']) {
        app.use({
          publish: async (context, next) => {
            seen.push(`${name} publish ${context.name} ${JSON.stringify(context.args)}`);
            context.headers[name] = context.options.priority ?? 'none';
            await next();
            seen.push(`${name} published`);
          },
          run: async ({ request, headers }, next) => {
            seen.push(`${name} run ${request.name} ${String(headers[name])}`);
            const value = await next();
            seen.push(`${name} ran ${String(value)}`);
            return value;
          },
        });
      }
      const task = app.task('work', (n: number) => n + 1);
      const sent = await task.applyAsync([1], { priority: 3 });
      await worker();
      assert.equal(await sent.get({ timeout: '20s' }), 2);
      assert.deepEqual(seen, [
        'outer publish work [1]',
        'inner publish work [1]',
        'inner published',
        'outer published',
        'outer run work 3',
        'inner run work 3',
        'inner ran 2',
        'outer ran 2',
      ]);
      assert.deepEqual((await sent.snapshot()).headers, { outer: 3, inner: 3 });
    });

    it('decides what a task’s value or error becomes, and sees them inside the task’s context', async (t) => {
      const { app, worker } = ground.app(t);
      app.use({
        run: async ({ request }, next) => {
          assert.equal(currentTask()?.request.id, request.id);
          try {
            return `wrapped ${String(await next())}`;
          } catch (error) {
            throw new Error('wrapped', { cause: error });
          }
        },
      });
      const task = app.task('work', (fine: boolean) => {
        if (fine) return 'value';
        throw new RangeError('inside');
      });
      await worker();
      assert.equal(await (await task.delay(true)).get({ timeout: '20s' }), 'wrapped value');
      const error = await rejection((await task.delay(false)).get({ timeout: '20s' }));
      assert(error.cause instanceof Error && error.cause.cause instanceof RangeError);
      assert.equal(error.cause.message, 'wrapped');
    });

    it('refuses a call by throwing, and says when it forgot to call next', async (t) => {
      const { app } = ground.app(t);
      app.use({
        publish: async ({ name }, next) => {
          if (name === 'forbidden') throw new Error('not today');
          if (name !== 'forgotten') await next();
        },
      });
      assert.equal((await rejection(app.sendTask('forbidden', [], { taskId: 'f' }))).message, 'not today');
      assert.match((await rejection(app.sendTask('forgotten'))).message, /next\(\).*forgotten/);
      assert.equal(await app.result('f').exists(), false);
      await app.sendTask('fine');
    });

    it('headers marked as propagating go along with calls made inside, and no others', async (t) => {
      const { app, worker } = ground.app(t);
      app.use({
        publish: async ({ headers, propagate, options }, next) => {
          if (options.headers?.trace !== undefined) propagate('trace');
          headers.plain ??= 'per call';
          await next();
        },
      });
      const leaf = app.task('leaf', () => currentTask()?.request.headers);
      const middle = app.task('middle', async () => (await leaf.delay()).id);
      const root = app.task('root', async () => (await middle.applyAsync([], { headers: { own: 1 } })).id);
      await worker();
      const sent = await root.applyAsync([], { headers: { trace: 'abc', secret: 's' } });
      const middleId = await sent.get({ timeout: '20s' });
      const middleHeaders = (await app.result(middleId).snapshot()).headers;
      assert.deepEqual(middleHeaders, { own: 1, plain: 'per call', trace: 'abc' });
      const leafId = await app.result<string>(middleId).get({ timeout: '20s' });
      assert.deepEqual(await app.result(leafId).get({ timeout: '20s' }), { plain: 'per call', trace: 'abc' });
    });

    it('survives a retry: headers, priority, arguments and id are the same on each attempt', async (t) => {
      const { app, worker } = ground.app(t);
      const attempts: unknown[] = [];
      const opened = gate();
      const task = app.task('again', { autoretryFor: true, defaultRetryDelay: 10 }, (n: number) => {
        const { id, headers, priority, args, retries } = currentTask()?.request ?? {};
        attempts.push({ id, headers, priority, args, n });
        if (retries !== 2) throw new Error('again');
        opened.open();
      });
      await worker();
      const sent = await task.applyAsync([5], { headers: { h: 1 }, priority: 6 });
      await sent.get({ timeout: '20s' });
      const same = { id: sent.id, headers: { h: 1 }, priority: 6, args: [5], n: 5 };
      assert.deepEqual(attempts, [same, same, same]);
    });
  });
});
