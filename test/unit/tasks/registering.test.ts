import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AlreadyRegisteredError,
  Celeriac,
  type CeleriacOptions,
  OptionError,
  Task,
  TaskService,
} from 'celeriac';

class Mail extends TaskService {
  constructor(private readonly host = 'localhost') {
    super();
  }

  @Task('mail.host')
  async where(): Promise<string> {
    return this.host;
  }
}

class Base extends TaskService {
  @Task()
  async job(): Promise<string> {
    return this.request.name;
  }
}
class First extends Base {}
class Second extends Base {}

function appOf(t: { after(fn: () => Promise<void>): void }, options: CeleriacOptions = {}): Celeriac {
  const app = new Celeriac('registering', { broker: 'redis://127.0.0.1:1/0', ...options });
  t.after(() => app.close());
  return app;
}

describe('Registering', () => {
  it('a second instance of a class is refused, unless it is to replace the first', async (t) => {
    const app = appOf(t);
    const mail = new Mail('one');
    app.register(mail);
    app.register(mail);
    app.register(Mail);
    assert.throws(() => app.register(new Mail('two')), AlreadyRegisteredError);
    assert.throws(
      () => app.register(new Mail('two'), { replace: undefined as never }),
      /Mail is registered already/,
    );
    assert.throws(() => app.register(new Mail(), { replac: true } as never), /Did you mean "replace"/);
    const host = async () => (await app.tasks(Mail).where.apply([])).get();
    assert.equal(await host(), 'one');
    app.register(new Mail('two'), { replace: true });
    assert.equal(await host(), 'two');
  });

  it('an instance after its class gets the calls', async (t) => {
    const app = appOf(t);
    app.register(Mail);
    const { where } = app.register(new Mail('own'));
    assert.equal(await (await where.apply([])).get(), 'own');
    assert.throws(() => app.register(new Mail()), AlreadyRegisteredError);
  });

  it('gives a task without a name that of the class that is registered', async (t) => {
    const app = appOf(t);
    const [first, second] = [app.register(new First()), app.register(Second)];
    assert.deepEqual([first.job.name, second.job.name], ['First.job', 'Second.job']);
    assert.equal(await (await second.job.apply([])).get(), 'Second.job');
    assert.equal(app.tasks(Base).job.name, 'Base.job');
  });

  it('warns once of a class name that a minifier made', (t) => {
    const lines: string[] = [];
    const warn = (_: object, message: string) => void lines.push(message);
    const app = appOf(t, { logger: { debug() {}, info() {}, warn, error() {} } });
    const Minified = { a: class a extends Base {} }.a;
    app.register(Minified);
    app.tasks(Minified);
    app.register(First);
    class b extends Mail {}
    app.register(b);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /the class name "a" looks like a minifier's/);
  });

  it('names the task whose function is missing', (t) => {
    const app = appOf(t);
    assert.throws(
      () => app.task('mail.send', undefined as never),
      /app\.task\('mail\.send'\): the function is missing/,
    );
    assert.throws(() => app.task('mail.send', {}, 5 as never), /app\.task\('mail\.send'\): .* got 5/);
    assert.throws(() => app.task('', async () => 1), OptionError);
  });

  it('refuses a plain generator, which gives no chunks and awaits nothing', (t) => {
    const app = appOf(t);
    const refused = (error: Error) => error instanceof OptionError && /async function\*/.test(error.message);
    assert.throws(
      () =>
        app.task('words', function* () {
          yield 'a';
        }),
      refused,
    );
    assert.throws(() => {
      class Words extends TaskService {
        @Task() *words(): Generator<string> {
          yield 'a';
        }
      }
      return Words;
    }, refused);
  });

  it('says in which order name, options and function stand', (t) => {
    const app = appOf(t);
    const task = app.task.bind(app) as unknown as (...parts: unknown[]) => unknown;
    async function add() {}
    assert.throws(() => task(add), /the name is missing\. It comes first, as in app\.task\('add', async/);
    assert.throws(
      () => task('add', add, { queue: 'mail' }),
      /app\.task\('add'\): an object stands after the function\. Options stand before it/,
    );
    class Plain extends TaskService {}
    assert.throws(
      () => app.register(new Plain()),
      /Plain has no method with @Task, .* Put @Task\(\) above a method/,
    );
  });
});
