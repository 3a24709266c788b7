/**
 * What programs get wrong: everything the app is given that cannot be right is refused where it is written, as an error of
 * ours that says what to write instead, and nothing is sent.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Celeriac,
  chain,
  DuplicateTaskError,
  isCeleriacError,
  OptionError,
  Task,
  TaskService,
} from 'celeriac';
import { onEveryEngine, testApp, uniqueName } from '../support/app.js';

/** The error that `body` throws or rejects with. */
async function refusal(body: () => unknown): Promise<Error> {
  try {
    await body();
  } catch (error) {
    assert(error instanceof Error);
    return error;
  }
  return assert.fail('nothing was refused');
}

async function assertRefused(what: string, bodies: readonly (() => unknown)[]): Promise<void> {
  for (const [i, body] of bodies.entries()) {
    const error = await refusal(body).catch(() => assert.fail(`${what}, case ${i}: was taken`));
    assert(isCeleriacError(error, 'OPTION'), `${what}, case ${i}: ${error.stack}`);
  }
}

describe('Without a broker', () => {
  const app = () => new Celeriac('misused', { broker: 'memory://' });

  it('an app refuses options that cannot be right', async () => {
    const make = (options: unknown) => () => new Celeriac('x', options as never);
    const wrong: Record<string, unknown[]> = {
      container: [{}, 5, () => 1],
      migrate: ['yes', 1],
      routes: [5, 'q', { x: 5 }, { x: { qeue: 'q' } }, [null]],
      prefix: [1n, Symbol('x'), Object.create(null)],
      maxPayloadBytes: ['1', 1n, Object.create(null)],
      resultExpires: [1n, Object.create(null), '1w'],
      taskDefaults: [{ args: 5 }, { rateLimit: 1n }, 'x'],
    };
    await assertRefused('options', [null, 'redis://host', [], 5].map(make));
    for (const [name, values] of Object.entries(wrong))
      await assertRefused(
        name,
        values.map((value) => make({ [name]: value })),
      );
  });

  it('an empty variable of the environment is an unset one', (t) => {
    t.after(() => {
      delete process.env.CELERIAC_BROKER_URL;
      delete process.env.CELERIAC_PREFIX;
    });
    process.env.CELERIAC_BROKER_URL = '';
    process.env.CELERIAC_PREFIX = '';
    assert.doesNotThrow(() => new Celeriac('x'));
  });

  it('task, register, tasks, use, worker and signature refuse what they cannot use', async () => {
    const one = app();
    const any = one as unknown as Record<string, (...args: unknown[]) => unknown>;
    const fn = () => 1;
    const of = (method: string, ...lists: unknown[][]) =>
      assertRefused(
        `app.${method}`,
        lists.map((args) => () => any[method]?.(...args)),
      );
    await of('task', [], ['x'], ['', fn], ['x', {}], ['x', null, fn], ['x', 'y', fn], ['x', { args: 5 }, fn]);
    await of('register', [5], [null], [{}], [fn], [Object.create(null)], [class {}]);
    await of('tasks', [5], [null], [{}], [fn], [class {}]);
    await of('use', [null], [{}], [fn], [{ run: 5 }], [{ publish: 'x' }], [{ publsh: fn }]);
    await of('worker', [null], ['x'], [5], [{ queues: 'mail' }]);
    await of('signature', [5], [null], [{}], [''], ['x', 5], ['x', 'y'], ['x', [], { qeue: 'q' }]);
    await of('sendTask', [], [null], [{}], ['x', 'y'], ['x', 5], ['x', {}], ['x', [], null], ['x', [], 'y']);
    const typed = one.tasks() as unknown as (names: unknown) => unknown;
    await assertRefused(
      'app.tasks()',
      [null, 5, { a: 5 }, { a: null }, { a: { name: 'x', qeue: 'y' } }].map((names) => () => typed(names)),
    );
    await one.close();
  });

  it('a call refuses arguments that are no list, and options that are none', async () => {
    const one = app();
    const task = one.task('one', (value: unknown) => value);
    const wrong = ['42', 5, { 0: 'x' }, new Set([1]), null];
    for (const args of wrong as never[]) {
      await assertRefused(String(args), [
        () => task.applyAsync(args),
        () => task.apply(args),
        () => task.s().applyAsync(args),
        () => task.s().clone(args),
        () => task.signature(args),
        () => chain(task.s()).applyAsync(args),
      ]);
    }
    await assertRefused('options', [
      () => task.applyAsync([1], null as never),
      () => task.applyAsync([1], 'slow' as never),
      () => task.apply([1], 5 as never),
      () => task.signature([1], null as never),
      () => task.s(1).set({ qeue: 'q' } as never),
      () => chain(task.s(1)).set({ qeue: 'q' } as never),
      () => task.applyAsync([1], { headers: new Map([['a', 1]]) as never }),
      () => task.applyAsync([1], { countdown: 1e300 }),
      () => task.applyAsync([1], { expires: 1e300 }),
      () => task.map(5 as never),
      () => task.starmap(['x'] as never),
      () => task.chunks(null as never, 2),
    ]);
    await one.close();
  });

  it('a key function that gives no text is refused, whatever it gives', async () => {
    const one = app();
    for (const key of [
      () => 5,
      () => undefined,
      async () => 'x',
      () => Symbol('x'),
      () => Object.create(null),
    ]) {
      const task = one.task(uniqueName(), { unique: { mode: 'reject', key: key as never } }, () => 1);
      assert.ok((await refusal(() => task.delay())) instanceof OptionError);
    }
    await one.close();
  });

  it('one task name for two classes is refused, though they inherit the same method', () => {
    class Parent extends TaskService {
      @Task('Parent.who')
      who(): string {
        return this.constructor.name;
      }
    }
    class First extends Parent {}
    class Second extends Parent {}
    const one = app();
    assert.equal(one.register(new First()).who.name, 'Parent.who');
    assert.throws(
      () => one.register(new Second()),
      (error: Error) => isCeleriacError(error, 'ALREADY_REGISTERED') && /First.*Second/.test(error.message),
    );
    assert.doesNotThrow(() => one.register(First));
  });
});

onEveryEngine((ground) => {
  it('no arguments are an empty list', async (t) => {
    const { app, worker } = ground.app(t);
    const count = app.task('count', (...args: unknown[]) => args.length);
    await worker();
    const calls = [
      (count.applyAsync as () => ReturnType<typeof count.delay>)(),
      app.sendTask<number>('count'),
      count.s().applyAsync(),
    ];
    for (const call of calls) assert.equal(await (await call).get({ timeout: '20s' }), 0);
    assert.equal(await (await (count.apply as () => ReturnType<typeof count.apply>)()).get(), 0);
  });

  it('publish sends nothing when one of them is wrong, whatever is special about it', async (t) => {
    const { app, worker } = ground.app(t);
    let runs = 0;
    const task = app.task('one', (value: unknown) => void (value === 'last' || runs++));
    await task.applyAsync(['last'], { taskId: 'taken' });
    const ok = task.s(1);
    const taken = await refusal(() => app.publish([ok, task.s(2).set({ taskId: 'taken' }), ok]));
    assert(taken instanceof DuplicateTaskError, String(taken));
    const wrong = task.s(() => 1).set({ taskId: 'other' });
    assert.ok(isCeleriacError(await refusal(() => app.publish([ok, wrong])), 'NOT_SERIALIZABLE'));
    const late = task.s(1).set({ unique: { mode: 'reject' }, countdown: 'soon' });
    assert.ok((await refusal(() => app.publish([ok, late]))) instanceof OptionError);
    app.use({ publish: (_, next) => next() });
    assert.ok(isCeleriacError(await refusal(() => app.publish([ok, wrong])), 'NOT_SERIALIZABLE'));
    for (const list of [5, null, [5], [null], ['x'], [() => 1], [{}]])
      assert.ok((await refusal(() => app.publish(list as never))) instanceof OptionError, String(list));
    await worker({ concurrency: 1 });
    await app.result('taken').get({ timeout: '20s' });
    await (await task.delay('last')).get({ timeout: '20s' });
    assert.equal(runs, 0);
  });

  it('sendTask keeps its links, with calls that run here and now as well', async (t) => {
    const { app, worker, twin } = ground.app(t);
    const eager = twin({ taskAlwaysEager: true });
    const heard: unknown[] = [];
    app.task('double', (n: number) => n * 2);
    app.task('hear', (n: number) => heard.push(n));
    await worker();
    for (const caller of [app, eager]) {
      const link = caller.signature('hear').set({ taskId: uniqueName() });
      await (await caller.sendTask('double', [4], { link })).get({ timeout: '20s' });
      await app.result(link.options.taskId ?? '').get({ timeout: '20s' });
    }
    assert.deepEqual(heard, [8, 8]);
  });

  it('middleware may be an instance of a class', async (t) => {
    const { app, worker } = ground.app(t);
    class Audit {
      readonly seen: string[] = [];
      async publish({ name }: { name: string }, next: () => Promise<unknown>) {
        this.seen.push(`publish ${name}`);
        return next();
      }
      async run({ request }: { request: { name: string } }, next: () => Promise<unknown>) {
        this.seen.push(`run ${request.name}`);
        return next();
      }
    }
    const audit = new Audit();
    app.use(audit);
    const one = app.task('one', () => 1);
    await worker();
    await (await one.delay()).get({ timeout: '20s' });
    assert.deepEqual(audit.seen, ['publish one', 'run one']);
  });
});

describe('A container', () => {
  it('that gives no instance of the class is told so when the worker starts', async (t) => {
    class Shop extends TaskService {
      @Task()
      open(): string {
        return 'open';
      }
    }
    for (const given of [undefined, null, 5, {}, Object.create(null)]) {
      const { app, worker } = testApp(t, { broker: 'memory://', container: { get: () => given as never } });
      app.register(Shop);
      const error = await refusal(() => worker());
      assert.ok(error instanceof OptionError, String(error));
      assert.match(error.message, /container\.get\(Shop\) gave/);
    }
  });
});
