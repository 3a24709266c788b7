/** Workflows for fault tests: tasks that note each run, and shapes with what each must give. */
import { Celeriac, chain, chord, group } from 'celeriac';

/** Notes that a part ran: under the workflow's name, with what it was. */
export type NoteRun = (flow: string, part: string) => Promise<void>;

export function crashApp(broker: string, prefix: string, note: NoteRun) {
  const app = new Celeriac('crash', {
    broker,
    prefix,
    lockDuration: '1s',
    publishRetry: '20s',
    taskDefaults: { maxDeliveries: 50 },
  });
  const tasks = {
    add: app.task('add', async function (a: number, b: number) {
      await note(this.request.rootId, `add ${a} ${b}`);
      return a + b;
    }),
    sum: app.task('sum', async function (list: number[]) {
      await note(this.request.rootId, 'sum');
      return list.reduce((total, n) => total + n, 0);
    }),
    fail: app.task('fail', async (_value: unknown): Promise<number> => {
      throw new RangeError('it must fail');
    }),
    never: app.task('never', async (value: unknown) => {
      await note('never', String(value));
      return value;
    }),
  };
  return { app, tasks };
}

export type CrashTasks = ReturnType<typeof crashApp>['tasks'];

/** The workflow whose every write is a place to die: a step, a group, a body, a step. */
export function crashFlow({ add, sum }: CrashTasks) {
  return chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s(), add.s(10));
}

/** What {@link crashFlow} gives. */
export const CRASH_VALUE = 17;

/** Ten shapes; each with its value, or `undefined` where it must fail. */
export function tenShapes({ add, sum, fail, never }: CrashTasks, n: number) {
  const pair = () => group(add.s(n, 1), add.s(n, 2));
  return [
    { flow: chain(add.s(n, 1), add.s(1), add.s(1)), value: n + 3 },
    { flow: pair(), value: [n + 1, n + 2] },
    { flow: chord([add.s(n, 1), add.s(n, 2)], sum.s()), value: 2 * n + 3 },
    { flow: chain(pair(), sum.s(), add.s(1)), value: 2 * n + 4 },
    { flow: chain(add.s(n, 0), group(add.s(1), chain(add.s(1), add.s(1)))), value: [n + 1, n + 2] },
    { flow: chord([chain(add.s(n, 1), add.s(1)), add.s(n, 2)], chain(sum.s(), add.s(1))), value: 2 * n + 5 },
    { flow: chord([add.s(n, 1)], chord([sum.s(), sum.s()], sum.s())), value: 2 * n + 2 },
    {
      flow: add.starmap([
        [n, 1],
        [n, 2],
      ]),
      value: [n + 1, n + 2],
    },
    { flow: chain(add.s(n, 1), fail.s(), never.s()), value: undefined },
    { flow: chord([add.s(n, 1), fail.s(n)], never.s()), value: undefined },
  ] as const;
}
