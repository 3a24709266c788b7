/** A service with every kind of member, and the handles it gives: what compiles, and what must not. */
import {
  type AsyncResult,
  Celeriac,
  currentTask,
  type EagerResult,
  Task,
  type TaskHandle,
  type TaskLogger,
  type TaskRequest,
  TaskService,
} from 'celeriac';
import { type Equal, expect } from './expect.js';

class CreateReport {
  title!: string;
  pages?: number;
}

class Everything extends TaskService {
  /** A public property is no task. */
  readonly version = 1;
  #secret = 'x';

  constructor(private readonly mailer: { send(to: string): void }) {
    super();
  }

  @Task('simple')
  async simple(id: string): Promise<string> {
    return id + this.#secret + this.helper();
  }

  @Task()
  synchronous(n: number): number {
    return n;
  }

  @Task()
  nothing(): void {}

  @Task({ maxRetries: 5 })
  optional(a: string, b?: number): string {
    return `${a}${b}`;
  }

  @Task('with-default', { queue: 'slow' })
  defaulted(a: string, b = 7): string {
    return `${a}${b}`;
  }

  @Task()
  rest(first: string, ...others: number[]): number {
    return others.length + first.length;
  }

  @Task()
  generic<T>(value: T, list: T[]): T {
    return list[0] ?? value;
  }

  over(value: string): string;
  over(value: number, unit: string): number;
  @Task()
  over(value: string | number, _unit?: string): string | number {
    return value;
  }

  @Task()
  dto(report: CreateReport): Promise<CreateReport> {
    return Promise.resolve(report);
  }

  @Task()
  union(value: 'a' | 'b' | null): boolean | undefined {
    return value === null ? undefined : true;
  }

  @Task()
  async fails(): Promise<never> {
    return this.retry({ countdown: '10s', error: new Error(), maxRetries: null });
  }

  @Task()
  async members(): Promise<void> {
    expect<Equal<typeof this.request, TaskRequest>>();
    expect<Equal<typeof this.signal, AbortSignal>>();
    expect<Equal<typeof this.log, TaskLogger>>();
    this.log.info('text');
    this.log.warn({ at: 1 }, 'text');
    // @ts-expect-error fields need a text
    this.log.info({ at: 1 });
    currentTask()?.log.error('text');
    await this.updateState('PROGRESS', { any: ['json'] });
    await this.updateState('PROGRESS');
    const name: string = this.app.name;
    const sent: AsyncResult<number> = await this.app.sendTask<number>(name, [1]);
    const { shuttingDown, calledDirectly, isEager, retries, deliveries, headers } = this.request;
    void [sent, shuttingDown, calledDirectly, isEager, retries, deliveries, headers];
    // @ts-expect-error a state has a name
    await this.updateState();
    // @ts-expect-error a state is a string
    await this.updateState(1);
    // @ts-expect-error the request is read only
    this.request.id = 'x';
    // @ts-expect-error countdown is a duration
    this.retry({ countdown: true });
  }

  async ends(value: number): Promise<string> {
    const { shadow, ignoreResult, links, children, tags } = this.request;
    void [shadow, ignoreResult, links.map(({ id, name }) => [id, name]), children.map(({ id }) => id), tags];
    if (value === 0) return this.endWorkflow();
    // Of any type: it is the value of the whole, not of this task.
    if (value > 0) return this.endWorkflow({ value });
    return this.retry({
      args: [value],
      queue: 'other',
      priority: 1,
      headers: { a: 1 },
      tags: ['a'],
      shadow: 'shown',
      timeLimit: null,
      softTimeLimit: '1s',
    });
  }

  refused(): void {
    // @ts-expect-error arguments are a list
    this.retry({ args: 1 });
  }

  unreachable(): string {
    this.retry();
    // What follows retry() is known never to run: no return is missed here.
  }

  /** Public, without @Task: the compiler cannot tell, touching its handle throws. */
  publicHelper(): string {
    return 'x';
  }

  protected helper(): string {
    this.mailer.send('x');
    return 'y';
  }

  beforeStart(taskId: string, args: readonly unknown[]): void {
    void [taskId, args];
  }
  onSuccess(value: unknown, taskId: string): void {
    void [value, taskId];
  }
  afterReturn(): void {}
}

const app = new Celeriac('types');
const tasks = app.register(new Everything({ send: () => undefined }));

// Handles are typed from the methods.
expect<Equal<typeof tasks.simple, TaskHandle<[id: string], string>>>();
expect<Equal<typeof tasks.synchronous, TaskHandle<[n: number], number>>>();
expect<Equal<typeof tasks.nothing, TaskHandle<[], void>>>();
expect<Equal<typeof tasks.optional, TaskHandle<[a: string, b?: number | undefined], string>>>();
expect<Equal<typeof tasks.defaulted, TaskHandle<[a: string, b?: number | undefined], string>>>();
expect<Equal<typeof tasks.rest, TaskHandle<[first: string, ...others: number[]], number>>>();
expect<Equal<typeof tasks.dto, TaskHandle<[report: CreateReport], CreateReport>>>();
expect<Equal<typeof tasks.union, TaskHandle<[value: 'a' | 'b' | null], boolean | undefined>>>();
expect<Equal<typeof tasks.fails, TaskHandle<[], never>>>();
expect<Equal<Awaited<ReturnType<typeof tasks.simple.delay>>, AsyncResult<string>>>();

// Right calls.
export async function right(): Promise<void> {
  const sent = await tasks.simple.delay('1');
  const value: string = await sent.get({ timeout: '1s' });
  const { value: snapshot } = await sent.snapshot();
  expect<Equal<typeof snapshot, string | undefined>>();
  const either = await sent.get({ propagate: false });
  expect<Equal<typeof either, string | Error>>();
  const eager = await tasks.synchronous.apply([1]);
  expect<Equal<typeof eager, EagerResult<number>>>();
  const later = tasks.simple.result('id');
  expect<Equal<typeof later, AsyncResult<string>>>();
  await tasks.nothing.delay();
  await tasks.optional.delay('a');
  await tasks.optional.delay('a', 1);
  await tasks.defaulted.applyAsync(['a']);
  await tasks.rest.delay('a', 1, 2, 3);
  await tasks.generic.delay('a', [1]);
  await tasks.over.delay(1, 'kg');
  await tasks.dto.delay({ title: 't' });
  await tasks.union.applyAsync([null], {
    countdown: '10s',
    priority: 1,
    expires: new Date(),
    headers: { a: 1 },
  });
  const all = await Promise.all(['a', 'b'].map((id) => tasks.simple.delay(id)));
  void [value, all];
  for await (const { state, meta } of sent.updates()) void [state, meta];
}

// Wrong calls.
export async function wrong(): Promise<void> {
  // @ts-expect-error an argument is missing
  await tasks.simple.delay();
  // @ts-expect-error of the wrong type
  await tasks.simple.delay(1);
  // @ts-expect-error too many
  await tasks.simple.delay('1', 2);
  // @ts-expect-error a list, not an argument
  await tasks.simple.applyAsync('1');
  // @ts-expect-error of the wrong type in the list
  await tasks.optional.applyAsync(['a', 'b']);
  // @ts-expect-error of the wrong type behind the rest
  await tasks.rest.delay('a', 1, '2');
  // @ts-expect-error not one of the union
  await tasks.union.delay('c');
  // @ts-expect-error a field is missing
  await tasks.dto.delay({ pages: 1 });
  // @ts-expect-error no such option
  await tasks.simple.applyAsync(['1'], { countDown: 5 });
  // @ts-expect-error an option of another kind
  await tasks.simple.applyAsync(['1'], { priority: 'high' });
  // @ts-expect-error the value is a string
  const n: number = await (await tasks.simple.delay('1')).get();
  // @ts-expect-error handles are not callable
  tasks.simple('1');
  // @ts-expect-error handles are read only
  tasks.simple = tasks.defaulted;
  void n;
}

// What is no task has no handle.
// @ts-expect-error a property
tasks.version;
// @ts-expect-error protected
tasks.helper;
// @ts-expect-error a hook
tasks.beforeStart;
// @ts-expect-error a hook
tasks.afterReturn;
// @ts-expect-error TaskService's own
tasks.updateState;
// @ts-expect-error TaskService's own
tasks.retry;
// @ts-expect-error TaskService's own
tasks.request;
// @ts-expect-error TaskService's own
tasks.log;
// @ts-expect-error nothing of that name
tasks.nowhere;

// Registered by class, and on the calling side.
expect<Equal<ReturnType<typeof app.register<Everything>>, typeof tasks>>();
const byClass = app.register(Everything);
expect<Equal<typeof byClass, typeof tasks>>();
const calling = app.tasks(Everything);
expect<Equal<typeof calling, typeof tasks>>();
