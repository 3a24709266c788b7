/** Calling without the service: the type-only client, sendTask, function tasks, signatures. */
import {
  type AsyncResult,
  Celeriac,
  type CeleriacOptions,
  currentTask,
  isCeleriacError,
  type Middleware,
  type Signature,
  Task,
  type TaskContext,
  type TaskHandle,
  type TaskOptions,
  TaskService,
} from 'celeriac';
import { type Equal, expect } from './expect.js';
import type * as worker from './service-of-another-package.js';

const app = new Celeriac('client', { broker: 'redis://localhost', resultExpires: '1d', lockDuration: 5000 });

// The type-only client: nothing of the worker is loaded.
const client = app.tasks<worker.ReportService>()({
  generateReport: 'generate_report_task',
  archive: { name: 'archive', queue: 'slow', priority: 5 },
});
expect<Equal<typeof client.generateReport, TaskHandle<[reportId: string], string>>>();
expect<Equal<typeof client.archive, TaskHandle<[ids: string[], deep?: boolean | undefined], number>>>();
// @ts-expect-error a task that was not named has no handle
client.clean;
// @ts-expect-error no method of that name
app.tasks<worker.ReportService>()({ nowhere: 'x' });
// @ts-expect-error a reference is a name, or a name with options
app.tasks<worker.ReportService>()({ generateReport: 1 });
// @ts-expect-error the name is missing
app.tasks<worker.ReportService>()({ generateReport: { queue: 'slow' } });

// By name.
const byName = app.sendTask<number>('elsewhere', [1, 'two'], { queue: 'q' });
expect<Equal<typeof byName, Promise<AsyncResult<number>>>>();
const unknown = app.sendTask('elsewhere');
expect<Equal<typeof unknown, Promise<AsyncResult<unknown>>>>();
const result = app.result<string>('id');
expect<Equal<typeof result, AsyncResult<string>>>();

// Tasks from functions: `this` is the context.
const add = app.task('add', async function (a: number, b: number) {
  expect<Equal<typeof this, TaskContext>>();
  await this.updateState('PROGRESS', { a });
  return a + b;
});
expect<Equal<typeof add, TaskHandle<[a: number, b: number], number>>>();
const arrow = app.task('arrow', { queue: 'q', maxRetries: null }, (text: string) => {
  expect<Equal<ReturnType<typeof currentTask>, TaskContext | undefined>>();
  return text.length;
});
expect<Equal<typeof arrow, TaskHandle<[text: string], number>>>();
// @ts-expect-error no such option
app.task('x', { maxRetry: 1 }, () => 1);
// @ts-expect-error options come before the function
app.task('x', () => 1, {});

// Signatures: arguments given now, the rest when it is sent.
const whole = add.s(1, 2);
expect<typeof whole extends Signature<[a: number, b: number], [number, number], number> ? true : false>();
const padded = app.task('padded', (text: string, width?: number) => text.padStart(width ?? 10));
export async function signatures(): Promise<void> {
  const sent = await whole.delay();
  expect<Equal<typeof sent, AsyncResult<number>>>();
  await add.s(2).delay(1);
  await add.s().delay(1, 2);
  await padded.s('x').delay();
  await padded.s(3).delay('x');
  await padded.s().delay('x');
  // @ts-expect-error in front of a number goes the text
  await padded.s(3).delay(1);
  await app.publish([whole, arrow.s('x')]);
  // @ts-expect-error the first argument is still missing
  await add.s(2).delay();
  // @ts-expect-error nothing is missing
  await whole.delay(1);
  // @ts-expect-error of the wrong type
  add.s('1', 2);
  // @ts-expect-error si takes all of them
  add.si(1);
  // @ts-expect-error signatures are immutable
  whole.args = [2, 3];
  whole.set({ priority: 1, taskId: 'x' });
  // @ts-expect-error no such option
  whole.set({ prio: 1 });
}

// Options.
export const options: CeleriacOptions = {
  serializer: 'rich',
  routes: [
    ['mail.*', 'mail'],
    [/^img/, { queue: 'images', priority: 2 }],
    (name, args, call) => (name === 'x' && args.length > 0 ? { queue: 'x' } : call.queue),
  ],
  container: { get: <T>(cls: abstract new (...args: never[]) => T) => new (cls as unknown as new () => T)() },
  taskDefaults: {
    autoretryFor: [TypeError, RangeError],
    dontAutoretryFor: (error) => error instanceof SyntaxError,
  },
};
export const task: TaskOptions = {
  autoretryFor: true,
  retryBackoff: '2s',
  softTimeLimit: '1m',
  timeLimit: null,
};
// @ts-expect-error no such option
new Celeriac('x', { brokr: 'redis://x' });
// @ts-expect-error of the wrong type
new Celeriac('x', { prefix: 5 });
// @ts-expect-error no such option
Task('x', { maxRetry: 1 });

export const middleware: Middleware = {
  publish: async ({ headers, propagate, options: call, name, args }, next) => {
    headers.trace = [name, args.length, call.queue];
    propagate('trace');
    await next();
  },
  run: ({ request }, next) => (request.retries > 0 ? next() : undefined),
};

// @Task goes on methods.
export class Wrong extends TaskService {
  // @ts-expect-error a property is no method
  @Task() property = 1;
  // @ts-expect-error an accessor is no method
  @Task()
  get accessor(): number {
    return 1;
  }
}
// @ts-expect-error a class is no method
@Task()
export class WrongToo {}

export function recognise(error: unknown): string | undefined {
  return isCeleriacError(error, 'TASK_FAILED') ? error.code : undefined;
}
// @ts-expect-error no such code
isCeleriacError(undefined, 'TASK_FAILD');
