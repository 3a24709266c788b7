import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import {
  AlreadyRegisteredError,
  Celeriac,
  CeleriacError,
  currentTask,
  MaxRetriesExceededError,
  NotRegisteredError,
  OptionError,
  Task,
  TaskService,
} from 'celeriac';
import { Redis } from 'ioredis';
import { Counter, gate, onEveryEngine, pause, rejection, until } from '../support/app.js';
import { engines } from '../support/engines.js';

class Mailer {
  readonly sent: string[] = [];
  send(to: string): void {
    this.sent.push(to);
  }
}

class ReportService extends TaskService {
  #counter = 0;
  static made = 0;

  constructor(protected readonly mailer = new Mailer()) {
    super();
    ReportService.made++;
  }

  @Task('generate_report_task')
  async generateReport(reportId: string): Promise<string> {
    this.#counter++;
    await this.updateState('PROGRESS', { reportId, status: 'Generating report...' });
    return `Report ${reportId} generated successfully!`;
  }

  @Task()
  count(): number {
    this.mailer.send(this.helper());
    return this.#counter;
  }

  protected helper(): string {
    return this.request.id;
  }
}

describe('A service', () => {
  onEveryEngine((ground) => {
    it('runs its tasks on the real instance: private fields, injected members and helpers work', async (t) => {
      const { app, worker } = ground.app(t);
      const mailer = new Mailer();
      const reports = app.register(new ReportService(mailer));
      await worker();
      assert.equal(
        await (await reports.generateReport.delay('42')).get({ timeout: '20s' }),
        'Report 42 generated successfully!',
      );
      assert.equal(reports.generateReport.name, 'generate_report_task');
      assert.equal(reports.count.name, 'ReportService.count');
      const counted = await reports.count.delay();
      assert.equal(await counted.get({ timeout: '20s' }), 1);
      assert.deepEqual(mailer.sent, [counted.id]);
    });

    it('keeps the contexts of calls that run at once apart: through awaits, timers, streams and a database client', async (t) => {
      const { app, worker } = ground.app(t);
      const [redis] = engines;
      const database = await redis?.open();
      const client = new Redis(database?.url ?? '');
      t.after(async () => {
        await client.quit();
        await database?.close();
      });
      const everybody = new Counter();
      class Interleaving extends TaskService {
        @Task()
        async run(): Promise<string[]> {
          const ids = [this.request.id];
          everybody.add();
          await everybody.reached(8);
          ids.push(this.request.id);
          await new Promise<void>((resolve) =>
            setTimeout(() => {
              ids.push(this.request.id);
              resolve();
            }, 5),
          );
          await new Promise<void>((resolve) => setImmediate(resolve));
          ids.push(this.request.id);
          await new Promise<void>((resolve) => process.nextTick(resolve));
          const tagged = new Transform({
            objectMode: true,
            transform: (chunk, _encoding, done) => {
              ids.push(this.request.id);
              done(null, chunk);
            },
          });
          await pipeline(Readable.from(['a', 'b']), tagged, async (source) => {
            for await (const _ of source) ids.push(currentTask()?.request.id ?? 'lost');
          });
          await client.set(`id:${this.request.id}`, this.request.id);
          ids.push((await client.get(`id:${this.request.id}`)) ?? 'lost');
          await client.pipeline().incr('n').incr('n').exec();
          ids.push(this.request.id);
          await new Promise<void>((resolve) =>
            client.ping(() => {
              ids.push(this.request.id);
              resolve();
            }),
          );
          await Promise.all(
            [pause(1), pause(2)].map(async (wait) => {
              await wait;
              ids.push(this.request.id);
            }),
          );
          return ids;
        }
      }
      const service = app.register(new Interleaving());
      await worker({ concurrency: 8 });
      const sent = await Promise.all(Array.from({ length: 8 }, () => service.run.delay()));
      for (const result of sent) {
        const ids = await result.get({ timeout: '30s' });
        assert.equal(ids.length, 13);
        assert.deepEqual([...new Set(ids)], [result.id]);
      }
    });

    it('called directly, a task method is a plain method', async () => {
      const service = new ReportService();
      assert.equal(await service.generateReport('7'), 'Report 7 generated successfully!');
      class Direct extends TaskService {
        @Task('direct', { maxRetries: 5 })
        tryAgain(error?: unknown): boolean {
          if (error !== undefined) this.retry({ error });
          return this.request.calledDirectly;
        }

        @Task()
        bare(): never {
          return this.retry();
        }
      }
      const direct = new Direct();
      assert.equal(direct.tryAgain(), true);
      const cause = new RangeError('the cause');
      assert.throws(
        () => direct.tryAgain(cause),
        (error) => error === cause,
      );
      assert.throws(() => direct.bare(), MaxRetriesExceededError);
    });

    it('called directly from inside another running task, a task method is still a plain method', async (t) => {
      const { app, worker } = ground.app(t);
      class Nested extends TaskService {
        @Task()
        async outer(): Promise<unknown> {
          const before = this.request.id;
          const other = await this.inner('from outer');
          const same = await this.outerAgain();
          return { own: this.request.id === before, other, same, meta: 'outer' };
        }

        @Task()
        async inner(word: string): Promise<unknown> {
          await this.updateState('INNER', { word });
          await pause(1);
          return { direct: this.request.calledDirectly, current: currentTask() === undefined, word };
        }

        @Task()
        async outerAgain(): Promise<unknown> {
          try {
            this.retry({ error: new Error('rethrown') });
          } catch (error) {
            return (error as Error).message;
          }
        }
      }
      const nested = app.register(new Nested());
      await worker();
      const sent = await nested.outer.delay();
      assert.deepEqual(await sent.get({ timeout: '20s' }), {
        own: true,
        other: { direct: true, current: true, word: 'from outer' },
        same: 'rethrown',
        meta: 'outer',
      });
      assert.equal((await sent.snapshot()).meta, undefined, 'the inner updateState did nothing');
    });

    it('calling itself directly while it runs gives a plain call, not its own context', async (t) => {
      const { app, worker } = ground.app(t);
      class Recursive extends TaskService {
        @Task()
        async down(n: number): Promise<unknown[]> {
          const here = [n, this.request.calledDirectly];
          return n === 0 ? [here] : [here, ...(await this.down(n - 1))];
        }
      }
      const service = app.register(new Recursive());
      await worker();
      assert.deepEqual(await (await service.down.delay(2)).get({ timeout: '20s' }), [
        [2, false],
        [1, true],
        [0, true],
      ]);
    });

    it('a super call is part of the same running call', async (t) => {
      const { app, worker } = ground.app(t);
      class Base extends TaskService {
        @Task('work')
        async work(): Promise<string[]> {
          await this.updateState('BASE');
          return [`base ${this.request.calledDirectly}`];
        }

        @Task('inherited')
        inherited(): string {
          return `${this.constructor.name} ${this.request.name}`;
        }
      }
      class Special extends Base {
        @Task('special_work')
        override async work(): Promise<string[]> {
          const base = await super.work();
          return [...base, `special ${this.request.calledDirectly}`];
        }
      }
      class Plain extends Base {
        override async work(): Promise<string[]> {
          return [...(await super.work()), 'plain'];
        }
      }
      const special = app.register(new Special());
      await worker();
      assert.equal(special.work.name, 'special_work');
      assert.deepEqual(await (await special.work.delay()).get({ timeout: '20s' }), [
        'base false',
        'special false',
      ]);
      assert.equal(await (await special.inherited.delay()).get({ timeout: '20s' }), 'Special inherited');
      const other = ground.app(t);
      const plain = other.app.register(new Plain());
      await other.worker();
      assert.equal(plain.work.name, 'work');
      const sent = await plain.work.delay();
      assert.deepEqual(await sent.get({ timeout: '20s' }), ['base false', 'plain']);
    });

    it('hooks are called in Celery’s order with Celery’s arguments', async (t) => {
      const { app, worker } = ground.app(t);
      const seen: unknown[] = [];
      const ended = new Counter();
      class Hooked extends TaskService {
        @Task({ autoretryFor: [RangeError], defaultRetryDelay: 1, maxRetries: 1 })
        run(how: string): string {
          seen.push('run');
          if (how === 'retry' && this.request.retries === 0) throw new RangeError('again');
          if (how === 'fail') throw new TypeError('failed');
          return `ran ${how}`;
        }

        beforeStart(taskId: string, args: readonly unknown[]) {
          seen.push(['beforeStart', taskId, args, currentTask()?.request.id === taskId]);
        }
        onSuccess(value: unknown, taskId: string, args: readonly unknown[]) {
          seen.push(['onSuccess', value, taskId, args]);
        }
        onFailure(error: unknown, taskId: string, args: readonly unknown[]) {
          seen.push(['onFailure', (error as Error).message, taskId, args]);
        }
        onRetry(error: unknown, taskId: string, args: readonly unknown[]) {
          seen.push(['onRetry', (error as Error).message, taskId, args]);
        }
        async afterReturn(state: string, value: unknown, taskId: string, args: readonly unknown[]) {
          await pause(1);
          seen.push(['afterReturn', state, value instanceof Error ? value.message : value, taskId, args]);
          ended.add();
        }
      }
      const hooked = app.register(new Hooked());
      await worker();
      const ok = await hooked.run.delay('ok');
      assert.equal(await ok.get({ timeout: '20s' }), 'ran ok');
      await ended.reached(1);
      assert.deepEqual(seen.splice(0), [
        ['beforeStart', ok.id, ['ok'], true],
        'run',
        ['onSuccess', 'ran ok', ok.id, ['ok']],
        ['afterReturn', 'SUCCESS', 'ran ok', ok.id, ['ok']],
      ]);
      const failed = await hooked.run.delay('fail');
      await rejection(failed.get({ timeout: '20s' }));
      await ended.reached(2);
      assert.deepEqual(seen.splice(0), [
        ['beforeStart', failed.id, ['fail'], true],
        'run',
        ['onFailure', 'failed', failed.id, ['fail']],
        ['afterReturn', 'FAILURE', 'failed', failed.id, ['fail']],
      ]);
      const retried = await hooked.run.delay('retry');
      await retried.get({ timeout: '20s' });
      await ended.reached(3);
      assert.deepEqual(
        seen
          .splice(0)
          .filter((entry) => !(Array.isArray(entry) && entry[0] === 'afterReturn' && entry[1] === 'RETRY')),
        [
          ['beforeStart', retried.id, ['retry'], true],
          'run',
          ['onRetry', 'again', retried.id, ['retry']],
          ['beforeStart', retried.id, ['retry'], true],
          'run',
          ['onSuccess', 'ran retry', retried.id, ['retry']],
          ['afterReturn', 'SUCCESS', 'ran retry', retried.id, ['retry']],
        ],
      );
    });

    it('afterReturn is for tasks that returned or failed, not for those that will be retried', async (t) => {
      const { app, worker } = ground.app(t);
      const states: string[] = [];
      class Hooked extends TaskService {
        @Task({ autoretryFor: true, defaultRetryDelay: 1 })
        run(): void {
          if (this.request.retries === 0) throw new Error('again');
        }
        afterReturn(state: string) {
          states.push(state);
        }
      }
      const hooked = app.register(new Hooked());
      const running = await worker();
      await (await hooked.run.delay()).get({ timeout: '20s' });
      await running.stop();
      assert.deepEqual(states, ['SUCCESS']);
    });

    it('a beforeStart that throws fails the task; a later hook that throws is logged and changes nothing', async (t) => {
      const { app, worker, lines } = ground.app(t);
      class Strict extends TaskService {
        @Task({ maxRetries: 0 })
        run(_fine: boolean): string {
          return 'ran';
        }
        beforeStart(_taskId: string, [fine]: readonly unknown[]) {
          if (fine !== true) throw new RangeError('not ready');
        }
        onSuccess() {
          throw new Error('broken hook');
        }
      }
      const strict = app.register(new Strict());
      await worker();
      const error = await rejection((await strict.run.delay(false)).get({ timeout: '20s' }));
      assert(error.cause instanceof RangeError);
      const sent = await strict.run.delay(true);
      assert.equal(await sent.get({ timeout: '20s' }), 'ran');
      const line = await until(() => lines.find(({ message }) => message.includes('hook')), 'the line');
      assert.equal(line?.level, 'error');
      assert.equal(line?.fields.taskId, sent.id);
    });

    it('registered as a class is made by the container when a worker starts, not before', async (t) => {
      const asked: unknown[] = [];
      const mailer = new Mailer();
      const { app, worker } = ground.app(t, {
        container: {
          get: async <T>(cls: abstract new (...args: never[]) => T) => {
            asked.push(cls);
            await pause(1);
            return new (cls as unknown as new (mailer: Mailer) => T)(mailer);
          },
        },
      });
      const made = ReportService.made;
      const reports = app.register(ReportService);
      const sent = await reports.count.delay();
      assert.deepEqual([asked, ReportService.made], [[], made]);
      await worker();
      await sent.get({ timeout: '20s' });
      assert.deepEqual([asked, ReportService.made], [[ReportService], made + 1]);
      assert.deepEqual(mailer.sent, [sent.id]);
    });

    it('app.tasks(Class) gives handles without constructing or registering anything', async (t) => {
      const { app, twin } = ground.app(t);
      const made = ReportService.made;
      const { generateReport } = app.tasks(ReportService);
      const sent = await generateReport.delay('9');
      assert.equal(ReportService.made, made);
      const elsewhere = twin();
      elsewhere.register(new ReportService());
      await elsewhere.worker({ concurrency: 1 }).start();
      assert.equal(await sent.get({ timeout: '20s' }), 'Report 9 generated successfully!');
      await assert.rejects(generateReport.apply(['9']), NotRegisteredError);
    });

    it('a type-only client needs names alone', async (t) => {
      const { app, twin } = ground.app(t);
      const client = app.tasks<ReportService>()({
        generateReport: 'generate_report_task',
        count: { name: 'ReportService.count', queue: 'counting', priority: 3 },
      });
      const elsewhere = twin();
      elsewhere.register(new ReportService());
      await elsewhere.worker({ queues: ['celeriac', 'counting'], concurrency: 1 }).start();
      const text: string = await (await client.generateReport.delay('1')).get({ timeout: '20s' });
      assert.equal(text, 'Report 1 generated successfully!');
      const counted = await client.count.delay();
      assert.equal(await counted.get({ timeout: '20s' }), 1);
      assert.equal((await counted.snapshot()).queue, 'counting');
    });

    it('a task from a function has its context as this, arrow functions use currentTask()', async (t) => {
      const { app, worker } = ground.app(t);
      const bound = app.task('bound', { queue: 'celeriac' }, async function (a: number) {
        await this.updateState('PROGRESS', a);
        return [this.request.name, this.app === app, this === currentTask(), this.signal.aborted];
      });
      const arrow = app.task('arrow', () => currentTask()?.request.name);
      await worker();
      assert.deepEqual(await (await bound.delay(1)).get({ timeout: '20s' }), ['bound', true, true, false]);
      assert.equal(await (await arrow.delay()).get({ timeout: '20s' }), 'arrow');
      assert.equal(currentTask(), undefined);
    });

    it('tasks registered after a worker’s start run from then on', async (t) => {
      const { app, worker } = ground.app(t);
      app.task('first', () => 1);
      await worker();
      const late = app.task('late', () => 'late');
      assert.equal(await (await late.delay()).get({ timeout: '20s' }), 'late');
      const service = app.register(ReportService);
      assert.equal(
        await (await service.generateReport.delay('5')).get({ timeout: '20s' }),
        'Report 5 generated successfully!',
      );
    });

    it('updateState refuses what is no state name, and does nothing once the task has ended', async (t) => {
      const { app, worker } = ground.app(t);
      const after = gate<Promise<void>>();
      const ended = gate();
      const task = app.task('late-update', async function () {
        await assert.rejects(this.updateState('progress'), OptionError);
        await this.updateState('PROGRESS', { n: 1 });
        after.open(ended.opened.then(() => this.updateState('PROGRESS', { n: 2 })));
        return 'value';
      });
      await worker();
      const sent = await task.delay();
      await sent.get({ timeout: '20s' });
      ended.open();
      await await after.opened;
      const { state, meta, value } = await sent.snapshot();
      assert.deepEqual({ state, meta, value }, { state: 'SUCCESS', meta: { n: 1 }, value: 'value' });
    });

    it('the task’s log lines carry its id and name', async (t) => {
      const { app, worker, lines } = ground.app(t);
      const task = app.task('talks', function () {
        this.log.info({ own: 1 }, 'hello');
        this.log.warn({}, 'careful');
      });
      await worker();
      const sent = await task.delay();
      await sent.get({ timeout: '20s' });
      assert.deepEqual(
        lines.filter(({ message }) => message === 'hello' || message === 'careful'),
        [
          { level: 'info', fields: { taskId: sent.id, task: 'talks', own: 1 }, message: 'hello' },
          { level: 'warn', fields: { taskId: sent.id, task: 'talks' }, message: 'careful' },
        ],
      );
    });
  });
});

describe('Declaring tasks', () => {
  // Never connected to.
  const app = () => new Celeriac('declaring', { broker: 'redis://127.0.0.1:1/0' });

  it('handles refuse what is no task, by name, and are no promise', async () => {
    const handles = app().register(new ReportService()) as unknown as Record<string, unknown>;
    assert.throws(
      () => handles.helper,
      (error: Error) => {
        assert(error instanceof CeleriacError);
        assert.match(error.message, /ReportService\.helper is not a task.*@Task.*generateReport, count/);
        return true;
      },
    );
    assert.throws(() => handles.nothing, /ReportService\.nothing is not a task/);
    assert.equal(await handles, handles, 'awaiting handles gives the handles');
    assert.doesNotThrow(() => `${Object.keys(handles)} ${JSON.stringify(handles)}`);
    assert.equal(typeof handles.generateReport, 'object', 'handles are not callable');
  });

  it('a service that hides a member of TaskService is refused, with its name', () => {
    class Hiding extends TaskService {
      @Task()
      run(): void {}
      override get log(): never {
        throw new Error('mine');
      }
    }
    class HidingField extends TaskService {
      // @ts-expect-error TypeScript refuses it as well; in JavaScript nothing does.
      override signal = AbortSignal.abort();
      @Task()
      run(): void {}
    }
    assert.throws(() => app().register(new Hiding()), /Hiding has a member "log" of its own/);
    assert.throws(() => app().register(Hiding), /Hiding has a member "log" of its own/);
    assert.throws(() => app().register(new HidingField()), /HidingField has a member "signal" of its own/);
  });

  it('the same name for different code is refused, the same code again is not', () => {
    class Other extends TaskService {
      @Task('generate_report_task')
      run(): void {}
    }
    const one = app();
    const service = new ReportService();
    one.register(service);
    one.register(service);
    one.register(ReportService);
    assert.throws(() => one.register(new ReportService()), AlreadyRegisteredError);
    assert.throws(() => one.register(new Other()), AlreadyRegisteredError);
    assert.throws(() => one.task('generate_report_task', () => 1), AlreadyRegisteredError);
    app().register(new Other());
  });

  it('a refused service leaves none of its tasks behind', () => {
    class Half extends TaskService {
      @Task('fresh')
      fresh(): void {}
      @Task('taken')
      taken(): void {}
    }
    const one = app();
    one.task('taken', () => 1);
    assert.throws(() => one.register(new Half()), AlreadyRegisteredError);
    assert.doesNotThrow(() => one.task('fresh', () => 1));
  });

  it('a service without tasks, and what is no service at all, are refused', () => {
    class Empty extends TaskService {
      helper(): void {}
    }
    assert.throws(() => app().register(new Empty()), /Empty has no method with @Task/);
    assert.throws(() => app().tasks(Empty), /Empty has no method with @Task/);
    for (const wrong of [undefined, null, 'text', 7]) {
      assert.throws(() => app().register(wrong as never), OptionError);
    }
    assert.throws(() => app().task('', () => 1), OptionError);
    assert.throws(() => app().task('no-function', {} as never, undefined as never), OptionError);
  });

  it('@Task refuses names and options that cannot be right, where they are written', () => {
    assert.throws(() => Task(''), OptionError);
    assert.throws(
      () => Task('x', { maxRetry: 1 } as never),
      /@Task\('x'\): unknown option "maxRetry".*"maxRetries"/,
    );
    assert.throws(() => Task({ softTimeLimit: '2s', timeLimit: '1s' }), /softTimeLimit/);
    assert.throws(() => Task({ priority: -1 }), /priority -1/);
  });

  it('a class that does not extend TaskService can have tasks, and uses currentTask()', async (t) => {
    class Free {
      @Task('free')
      run(): boolean {
        return currentTask() === undefined;
      }
    }
    const one = app();
    t.after(() => one.close());
    assert.equal(one.register(new Free()).run.name, 'free');
    assert.equal(new Free().run(), true);
  });

  it('members of TaskService used where no task runs say so', async () => {
    class Lost extends TaskService {
      @Task()
      run(): void {}
      peek(): unknown {
        return this.request;
      }
      again(): never {
        return this.retry();
      }
    }
    const lost = new Lost();
    assert.throws(() => lost.peek(), /this\.request is used outside a running task/);
    assert.throws(() => lost.again(), /this\.retry is used outside a running task/);
  });
});

describe('A context that was lost on the way', () => {
  onEveryEngine(
    (ground) => {
      it('makes updateState warn and do nothing', async (t) => {
        const { app, worker } = ground.app(t);
        const jobs: (() => Promise<void>)[] = [];
        const woken = gate();
        // Registered before any task: what it runs has no task's context.
        const ticker = setInterval(() => {
          for (const job of jobs.splice(0)) void job().then(() => woken.open());
        }, 5);
        t.after(() => clearInterval(ticker));
        class Losing extends TaskService {
          @Task()
          async run(): Promise<string> {
            jobs.push(() => this.updateState('PROGRESS', { lost: true }));
            await woken.opened;
            return 'done';
          }
        }
        const losing = app.register(new Losing());
        await worker();
        const warned = once(process, 'warning');
        const sent = await losing.run.delay();
        assert.equal(await sent.get({ timeout: '20s' }), 'done');
        const [warning] = (await warned) as [Error];
        assert.equal(warning.name, 'CeleriacWarning');
        assert.match(warning.message, /this\.updateState\(\).*no task is running/);
        assert.equal((await sent.snapshot()).meta, undefined);
        await until(() => jobs.length === 0, 'the ticker');
      });
    },
    ['redis'],
  );
});
