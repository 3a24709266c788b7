/**
 * Random workflows as data, and what must come of each: a small evaluator says which tasks run, how each part ends and
 * what the whole gives. It knows nothing of plans, records and brokers.
 */
import { type Composable, chain, chord, group } from 'celeriac';
import fc from 'fast-check';

/** What is called after a part: a task, or a small workflow. */
export type Callback = 'task' | 'chain' | 'group' | 'chord';

interface Carrier {
  /** Names the part; what its callbacks are called begins with it. */
  readonly label: string;
  readonly link?: Callback | undefined;
  readonly errback?: Callback | undefined;
}

type Leaf<K> = Carrier & { readonly kind: K; readonly n: number };
type Parts<K> = Carrier & { readonly kind: K; readonly parts: readonly Shape[] };

export type Shape =
  | Leaf<'add'>
  | Leaf<'fail'>
  | Parts<'chain'>
  | Parts<'group'>
  | (Parts<'chord'> & { readonly body: Shape });

const callback = fc.option(fc.constantFrom<Callback>('task', 'task', 'chain', 'group', 'chord'), {
  freq: 5,
  nil: undefined,
});
const carrier = { label: fc.constant(''), link: callback, errback: callback };

const { shape: unlabelled } = fc.letrec<{ shape: Shape; leaf: Shape }>((tie) => {
  const parts = (minLength: number) => fc.array(tie('shape'), { minLength, maxLength: 3 });
  const leaf = <K>(kind: K) =>
    fc.record({ ...carrier, kind: fc.constant(kind), n: fc.integer({ min: 1, max: 9 }) });
  const several = <K>(kind: K, least: number) =>
    fc.record({ ...carrier, kind: fc.constant(kind), parts: parts(least) });
  return {
    leaf: fc.oneof(
      { weight: 6, arbitrary: leaf('add' as const) },
      { weight: 1, arbitrary: leaf('fail' as const) },
    ),
    shape: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      tie('leaf'),
      several('chain' as const, 1),
      several('group' as const, 0),
      fc.record({ ...carrier, kind: fc.constant('chord' as const), parts: parts(0), body: tie('shape') }),
    ),
  };
});

/** Workflows of any nesting, some of whose tasks fail, some of whose parts have links and errbacks. */
export const shapes: fc.Arbitrary<Shape> = unlabelled.map((shape) => labelled(shape, 't'));

function labelled(shape: Shape, label: string): Shape {
  if (shape.kind === 'add' || shape.kind === 'fail') return { ...shape, label };
  const parts = shape.parts.map((part, i) => labelled(part, `${label}.${i}`));
  return shape.kind === 'chord'
    ? { ...shape, label, parts, body: labelled(shape.body, `${label}.b`) }
    : { ...shape, label, parts };
}

/** The tasks of shapes, as signatures. Each gets the value before it first and its own label last. */
export interface ShapeTasks {
  start(): Composable;
  add(n: number, label: string): Composable;
  fail(n: number, label: string): Composable;
  /** What callbacks are made of. */
  note(label: string): Composable;
}

/** The workflow of a shape, which begins with a task that gives 0. */
export function compose(shape: Shape, tasks: ShapeTasks): Composable {
  return chain([tasks.start(), composed(shape, tasks)]);
}

function composed(shape: Shape, tasks: ShapeTasks): Composable {
  const { label, link, errback } = shape;
  let node = bare(shape, tasks) as Composable & Record<'link' | 'onError', (sig: Composable) => Composable>;
  if (link !== undefined) node = node.link(calledBack(link, `${label}.l`, tasks)) as typeof node;
  return errback === undefined ? node : node.onError(calledBack(errback, `${label}.e`, tasks));
}

function bare(shape: Shape, tasks: ShapeTasks): Composable {
  if (shape.kind === 'add' || shape.kind === 'fail') return tasks[shape.kind](shape.n, shape.label);
  const parts = shape.parts.map((part) => composed(part, tasks));
  if (shape.kind === 'chord') return chord(parts, composed(shape.body, tasks) as never);
  return shape.kind === 'chain' ? chain(parts) : group(parts);
}

const LEAVES: Readonly<Record<Callback, readonly string[]>> = {
  task: ['0'],
  chain: ['0', '1'],
  group: ['0', '1'],
  chord: ['0', '1', '2'],
};

function calledBack(kind: Callback, label: string, tasks: ShapeTasks): Composable {
  const [first = label, second = label, third = label] = LEAVES[kind].map((i) => tasks.note(label + i));
  if (kind === 'task') return first as Composable;
  if (kind === 'chain') return chain([first, second] as Composable[]);
  if (kind === 'group') return group([first, second] as Composable[]);
  return chord([first, second] as Composable[], third as never);
}

/** How a workflow failed. */
export class Failure {
  constructor(
    /** The whole reads as the body of the chord that failed. */
    readonly chord: boolean,
    /** It failed in the group whose list it would have given: what comes next is a chord's body. */
    readonly header: boolean,
  ) {}
}

/** How a task ended: `never` ran since something before it failed, or, of an errback, since nothing did. */
export type End = 'ran' | 'failed' | 'failed before' | 'never called';

/** What must come of a workflow. */
export interface Expected {
  readonly outcome: unknown;
  /** By label. */
  readonly ends: ReadonlyMap<string, End>;
}

export function evaluate(shape: Shape): Expected {
  const ends = new Map<string, End>();
  for (const label of allLabels(shape))
    ends.set(label, /e\d$/.test(label) ? 'never called' : 'failed before');
  ends.set('start', 'ran');
  const start: Shape = { kind: 'add', n: 0, label: 'start' };
  const called = (label: string, kind: Callback | undefined) => {
    for (const i of kind === undefined ? [] : LEAVES[kind]) ends.set(label + i, 'ran');
  };
  const run = (node: Shape, input: unknown): unknown => {
    const value = inner(node, input);
    if (value instanceof Failure) called(`${node.label}.e`, node.errback);
    else called(`${node.label}.l`, node.link);
    return value;
  };
  const inner = (node: Shape, input: unknown): unknown => {
    switch (node.kind) {
      case 'add':
        ends.set(node.label, 'ran');
        return total(input) + node.n;
      case 'fail':
        ends.set(node.label, 'failed');
        return new Failure(false, false);
      case 'group': {
        const values = node.parts.flatMap((part) => {
          const value = run(part, input);
          return part.kind === 'group' && Array.isArray(value) ? value : [value];
        });
        return values.some((value) => value instanceof Failure) ? new Failure(false, true) : values;
      }
      case 'chord': {
        const header: Shape = { kind: 'group', parts: node.parts, label: '' };
        return sequence([header, node.body], input);
      }
      case 'chain':
        return sequence(node.parts.flatMap(flat), input);
    }
  };
  const sequence = (steps: readonly Shape[], input: unknown): unknown => {
    let value = input;
    for (const [i, step] of steps.entries()) {
      value = run(step, value);
      if (!(value instanceof Failure)) continue;
      const body = value.header ? steps[i + 1] : undefined;
      if (body !== undefined) called(`${body.label}.e`, body.errback);
      if (i === steps.length - 1) return value;
      return new Failure(body !== undefined && i + 2 === steps.length, false);
    }
    return value;
  };
  return { outcome: sequence([start, ...flat(shape)], undefined), ends };
}

/** The steps of a chain in a chain are those of the outer one, unless something hangs on the inner one. */
function flat(step: Shape): readonly Shape[] {
  const plain = step.kind === 'chain' && step.link === undefined && step.errback === undefined;
  return plain ? step.parts.flatMap(flat) : [step];
}

export function total(value: unknown): number {
  return Array.isArray(value)
    ? value.reduce((sum: number, each) => sum + total(each), 0)
    : Number(value ?? 0);
}

function allLabels(shape: Shape): string[] {
  const { label, link, errback } = shape;
  const own = shape.kind === 'add' || shape.kind === 'fail' ? [label] : [];
  const parts = shape.kind === 'add' || shape.kind === 'fail' ? [] : shape.parts;
  return [
    ...own,
    ...(link === undefined ? [] : LEAVES[link].map((i) => `${label}.l${i}`)),
    ...(errback === undefined ? [] : LEAVES[errback].map((i) => `${label}.e${i}`)),
    ...parts.flatMap(allLabels),
    ...(shape.kind === 'chord' ? allLabels(shape.body) : []),
  ];
}
