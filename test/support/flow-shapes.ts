/**
 * Workflows for fault tests: tasks that note each run in a file, ten shapes, and one workflow for each way a part can end.
 * What must come of the shapes is told by the evaluator of random workflows.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { Celeriac, type Composable, chain, chord, group, Ignore, Reject } from 'celeriac';
import type { Outcome } from '#src/worker/run/outcome.js';
import { quiet } from './fault-tasks.js';
import { compose, type Shape, total } from './random-flows.js';

export interface CrashPlace {
  readonly broker: string;
  readonly prefix: string;
  /** What ran, a line each. */
  readonly ledger: string;
}

/** What a process does when it comes to one of the two tasks that need its help. Absent: the tasks return. */
export interface Trouble {
  /** The worker is to stop at once. */
  readonly stop?: () => void;
  /** The process is to stand still. */
  readonly freeze?: () => void;
  /** How long tasks work, ms. Default: no time. */
  readonly work?: () => number;
}

export function crashApp({ broker, prefix, ledger }: CrashPlace, trouble: Trouble = {}) {
  const app = new Celeriac('crash', {
    broker,
    prefix,
    migrate: true,
    logger: quiet,
    lockDuration: '1s',
    publishRetry: '30s',
    unknownTaskGrace: '300ms',
    taskDefaults: { maxDeliveries: 1000 },
  });
  const note = (label: string) => appendFileSync(ledger, `${label}\n`);
  const quick = { autoretryFor: true as const, defaultRetryDelay: 50, maxRetries: 3 };
  const value = async (label: string, n: number) => {
    note(label);
    if (trouble.work !== undefined) await new Promise((resolve) => setTimeout(resolve, trouble.work?.()));
    return n;
  };
  const tasks = {
    start: app.task('start', async (label: string) => value(label, 0)),
    add: app.task('add', async (input: unknown, n: number, label: string) => value(label, total(input) + n)),
    fail: app.task('fail', async (_input: unknown, _n: number, label: string): Promise<number> => {
      note(label);
      throw new RangeError(label);
    }),
    called: app.task('called', async (...given: unknown[]) => {
      note(String(given.at(-1)));
      return 1;
    }),
    flaky: app.task('flaky', quick, async function (input: unknown, n: number, label: string) {
      if (this.request.retries < 2) throw new Error('again');
      return value(label, total(input) + n);
    }),
    skip: app.task('skip', async (_input: unknown, label: string): Promise<undefined> => {
      note(label);
      throw new Ignore();
    }),
    keyed: app.task(
      'keyed',
      { concurrency: { key: () => 'one', limit: 1 } },
      async (_input: unknown, n: number, label: string) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return value(label, n);
      },
    ),
    putBack: app.task('putBack', async function (input: unknown, n: number, label: string) {
      if (this.request.deliveries < 2) throw new Reject('not now', { requeue: true });
      return value(label, total(input) + n);
    }),
    end: app.task('end', async function (input: unknown, n: number, label: string): Promise<number> {
      return this.endWorkflow(await value(label, total(input) + n));
    }),
    nap: app.task('nap', async function (_input: unknown, n: number, label: string) {
      await this.sleep('nap', 20);
      return this.step('value', () => value(label, n));
    }),
    rated: app.task('rated', { rateLimit: '1000/s' }, async (_input: unknown, n: number, label: string) =>
      value(label, n),
    ),
    hold: app.task('hold', async (_input: unknown, n: number, label: string) => {
      if (trouble.stop === undefined) return value(label, n);
      trouble.stop();
      return new Promise<number>(() => undefined);
    }),
    frozen: app.task('frozen', async (_input: unknown, n: number, label: string) => {
      trouble.freeze?.();
      return value(label, n);
    }),
  };
  const fork = app.task('fork', async function (_input: unknown, label: string): Promise<number> {
    note(label);
    return this.replace(chain(tasks.add.s(0, 1, `${label}.0`), tasks.add.s(2, `${label}.1`)));
  });
  return { app, tasks: { ...tasks, fork } };
}

export type CrashTasks = ReturnType<typeof crashApp>['tasks'];

/** How often each label was noted. */
export function ranIn(ledger: string): Map<string, number> {
  const ran = new Map<string, number>();
  for (const label of readFileSync(ledger, { encoding: 'utf8', flag: 'a+' }).split('\n'))
    if (label !== '') ran.set(label, (ran.get(label) ?? 0) + 1);
  return ran;
}

/** The workflow of a shape, whose labels all begin with its name. */
export function crashFlow(shape: Shape, name: string, tasks: CrashTasks): Composable {
  const named = (label: string) => `${name} ${label}`;
  return compose(shape, {
    start: () => tasks.start.s(named('start')),
    add: (n, label) => tasks.add.s(n, named(label)),
    fail: (n, label) => tasks.fail.s(n, named(label)),
    // A callback gets one or two arguments before its label.
    note: (label) => tasks.called.signature([named(label)] as never) as unknown as Composable,
  });
}

let made = 0;
const leaf = (kind: 'add' | 'fail', more: object = {}): Shape => ({
  kind,
  n: 1,
  label: `${made++}`,
  ...more,
});
const add = (more?: object) => leaf('add', more);
const several = (kind: 'chain' | 'group', parts: Shape[], more: object = {}): Shape => ({
  kind,
  parts,
  label: `${made++}`,
  ...more,
});
const chorded = (parts: Shape[], body: Shape, more: object = {}): Shape => ({
  kind: 'chord',
  parts,
  body,
  label: `${made++}`,
  ...more,
});

/** Ten shapes: the last three fail, one of them beside a chain that goes on. */
export const TEN_SHAPES: readonly Shape[] = [
  several('chain', [add(), add(), add()]),
  several('group', [add(), several('chain', [add(), add()])], { link: 'task' }),
  chorded([add(), add()], add()),
  several('chain', [several('group', [add(), add()]), add(), add({ link: 'chain' })]),
  several('chain', [add(), several('group', [])]),
  chorded([several('chain', [add(), add()]), add()], several('chain', [add(), add()]), { link: 'chord' }),
  chorded([add()], chorded([add(), add()], several('group', [add(), add()]))),
  several('chain', [add(), leaf('fail', { errback: 'task' }), add()], { errback: 'group' }),
  chorded([add(), leaf('fail'), several('chain', [add(), several('group', [add(), add()]), add()])], add(), {
    errback: 'chord',
  }),
  several('group', [several('chain', [leaf('fail'), add()]), add()], { errback: 'task' }),
];

/** A workflow with a part that ends so; what it gives, or `undefined` where it must fail. */
export interface RowFlow {
  readonly flow: Composable;
  readonly value: unknown;
  /** It ends without a result, and well. */
  readonly nothing?: true;
  /** What runs, once each where nobody dies. */
  readonly labels: readonly string[];
  /**
   * What it gives, and what runs as well, where its worker dies with a part in its hands: nobody knows whether that had
   * begun, and what has begun does not expire.
   */
  readonly orElse?: { readonly value: unknown; readonly labels: readonly string[] };
}

/** One for each outcome that `settle` has a row for: with a new row this does not compile. */
export const ROWS: Readonly<
  Record<Outcome['kind'] | 'ended', (app: Celeriac, tasks: CrashTasks) => RowFlow>
> = {
  success: (_app, { add, start }) => ({
    flow: chain(
      start.s('a'),
      group(add.s(1, 'b'), add.s(2, 'c')),
      add.s(0, 'd').link(add.s(0, 'link')),
      add.s(10, 'e'),
    ),
    value: 13,
    labels: ['a', 'b', 'c', 'd', 'link', 'e'],
  }),
  failure: (_app, { add, start, fail, called }) => ({
    flow: chord(
      [chain(start.s('a'), fail.s(1, 'b'), add.s(1, 'never')), start.s('c')],
      add.s(1, 'never'),
    ).onError(called.signature(['errback'] as never) as unknown as Composable),
    value: undefined,
    labels: ['a', 'b', 'c', 'errback'],
  }),
  retry: (_app, { add, start, flaky }) => ({
    flow: chain(start.s('a'), group(flaky.s(1, 'b'), add.s(1, 'c')), add.s(1, 'd')),
    value: 3,
    labels: ['a', 'b', 'c', 'd'],
  }),
  wait: (_app, { add, start, nap }) => ({
    flow: chain(start.s('a'), group(nap.s(1, 'b'), add.s(1, 'c')), add.s(1, 'd')),
    value: 3,
    labels: ['a', 'b', 'c', 'd'],
  }),
  replaced: (_app, { add, start, fork }) => ({
    flow: chord([chain(start.s('a'), fork.s('b')), start.s('c')], add.s(1, 'd')),
    value: 4,
    labels: ['a', 'b', 'b.0', 'b.1', 'c', 'd'],
  }),
  ignore: (_app, { add, start, skip }) => ({
    flow: chain(start.s('a'), skip.s('b'), add.s(1, 'never')),
    value: undefined,
    nothing: true,
    labels: ['a', 'b'],
  }),
  revoked: (_app, { add, start }) => ({
    flow: chord(
      [start.s('a'), chain(start.s('b'), add.s(1, 'never').set({ expires: new Date(Date.now() + 1) }))],
      add.s(1, 'body'),
    ),
    value: undefined,
    labels: ['a', 'b'],
    orElse: { value: 2, labels: ['never', 'body'] },
  }),
  requeue: (_app, { add, start, putBack }) => ({
    flow: chain(start.s('a'), group(putBack.s(1, 'b'), add.s(1, 'c')), add.s(1, 'd')),
    value: 3,
    labels: ['a', 'b', 'c', 'd'],
  }),
  ended: (_app, { add, start, end }) => ({
    flow: chain(
      group(chain(start.s('a'), end.s(1, 'b').link(add.s(0, 'own')), add.s(1, 'never')), start.s('c')),
      add.s(1, 'd'),
      end.s(5, 'e'),
      add.s(1, 'never'),
    ).link(add.s(0, 'link')),
    value: 7,
    labels: ['a', 'b', 'own', 'c', 'd', 'e', 'link'],
  }),
  later: (_app, { add, start, keyed }) => ({
    flow: chain(start.s('a'), group(keyed.s(1, 'b'), keyed.s(2, 'c')), add.s(1, 'd')),
    value: 4,
    labels: ['a', 'b', 'c', 'd'],
  }),
  move: (app, { add, start }) => ({
    // By name, from an app that knows nothing of its limit.
    flow: chain(start.s('a'), app.signature('rated', [1, 'b']) as never, add.s(1, 'c')),
    value: 2,
    labels: ['a', 'b', 'c'],
  }),
  handBack: (_app, { add, start, hold }) => ({
    flow: chain(start.s('a'), hold.s(1, 'b'), add.s(1, 'c')),
    value: 2,
    labels: ['a', 'b', 'c'],
  }),
  lost: (_app, { add, start, frozen }) => ({
    flow: chain(start.s('a'), frozen.s(1, 'b'), add.s(1, 'c')),
    value: 2,
    labels: ['a', 'b', 'c'],
  }),
};
