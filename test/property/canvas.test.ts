/**
 * Random workflows with random failures, run on the embedded engine, end as a small evaluator says.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Celeriac, ChordError, type Composable, chain, chord, group, TaskFailedError } from 'celeriac';
import fc from 'fast-check';
import { within } from '../support/app.js';

/** What a workflow is made of, as data. */
type Shape =
  | { readonly kind: 'add'; readonly n: number }
  | { readonly kind: 'fail'; readonly n: number }
  | { readonly kind: 'chain'; readonly parts: readonly Shape[] }
  | { readonly kind: 'group'; readonly parts: readonly Shape[] }
  | { readonly kind: 'chord'; readonly parts: readonly Shape[]; readonly body: Shape };

const { shape } = fc.letrec<{ shape: Shape; leaf: Shape }>((tie) => {
  const parts = (minLength: number) => fc.array(tie('shape'), { minLength, maxLength: 3 });
  return {
    leaf: fc.oneof(
      {
        weight: 12,
        arbitrary: fc.record({ kind: fc.constant('add' as const), n: fc.integer({ min: 1, max: 9 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('fail' as const), n: fc.integer({ min: 1, max: 9 }) }),
      },
    ),
    shape: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      tie('leaf'),
      fc.record({ kind: fc.constant('chain' as const), parts: parts(1) }),
      fc.record({ kind: fc.constant('group' as const), parts: parts(0) }),
      fc.record({ kind: fc.constant('chord' as const), parts: parts(0), body: tie('shape') }),
    ),
  };
});

/** The evaluator: the value, or the failure as `{ failed, chord }`. */
class Failure {
  constructor(
    readonly n: number,
    readonly chord = false,
  ) {}
}

function total(value: unknown): number {
  return Array.isArray(value)
    ? value.reduce((sum: number, each) => sum + total(each), 0)
    : Number(value ?? 0);
}

function evaluate(node: Shape, input: unknown): unknown {
  switch (node.kind) {
    case 'add':
      return total(input) + node.n;
    case 'fail':
      return new Failure(node.n);
    case 'group': {
      const values = node.parts.flatMap((part) => {
        const value = evaluate(part, input);
        return part.kind === 'group' && Array.isArray(value) ? value : [value];
      });
      return values.find((value) => value instanceof Failure) ?? values;
    }
    case 'chord':
      return sequence([{ kind: 'group', parts: node.parts }, node.body], input, true);
    case 'chain':
      return sequence(flatSteps(node.parts), input, false);
  }
}

function flatSteps(parts: readonly Shape[]): readonly Shape[] {
  return parts.flatMap((part) => (part.kind === 'chain' ? flatSteps(part.parts) : [part]));
}

function sequence(parts: readonly Shape[], input: unknown, isChord: boolean): unknown {
  let value = input;
  for (const [i, part] of parts.entries()) {
    value = evaluate(part, value);
    if (!(value instanceof Failure)) continue;
    // The last step shows a ChordError when it is the body of the failed group.
    const bodyIsLast = part.kind === 'group' && i + 1 === parts.length - 1;
    if (i === parts.length - 1) return value;
    return new Failure(value.n, bodyIsLast || (isChord && i === 0));
  }
  return value;
}

function compose(node: Shape, tasks: Tasks): Composable {
  const all = (parts: readonly Shape[]) => parts.map((part) => compose(part, tasks));
  switch (node.kind) {
    case 'add':
      return tasks.add.s(node.n);
    case 'fail':
      return tasks.fail.s(node.n);
    case 'chain':
      return chain(all(node.parts));
    case 'group':
      return group(all(node.parts));
    case 'chord':
      return chord(all(node.parts), compose(node.body, tasks) as never);
  }
}

function tasksOf(app: Celeriac) {
  return {
    start: app.task('start', async () => 0),
    add: app.task('add', async (input: unknown, n: number) => total(input) + n),
    fail: app.task('fail', async (_input: unknown, n: number): Promise<number> => {
      throw new RangeError(String(n));
    }),
  };
}
type Tasks = ReturnType<typeof tasksOf>;

describe('a random workflow', { timeout: 200_000 }, () => {
  it('ends as the evaluator says', async () => {
    const app = new Celeriac('random', { broker: `memory://${randomUUID()}`, publishRetry: '20s' });
    const tasks = tasksOf(app);
    await app.worker({ concurrency: 20 }).start();
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(shape, { minLength: 4, maxLength: 4 }), async (shapes) => {
          await Promise.all(shapes.map((node) => check(node, tasks)));
        }),
        { numRuns: 12, endOnFailure: true },
      );
    } finally {
      await app.close();
    }
  });
});

async function check(node: Shape, tasks: Tasks): Promise<void> {
  const expected = evaluate({ kind: 'chain', parts: [{ kind: 'add', n: 0 }, node] }, 0);
  const flow = chain([tasks.start.s(), compose(node, tasks)] as Composable[]);
  const result = await flow.delay();
  const outcome = await within(result.get({ propagate: false }), JSON.stringify(node), 60_000);
  if (!(expected instanceof Failure)) return assert.deepEqual(outcome, expected, JSON.stringify(node));
  assert.ok(outcome instanceof TaskFailedError, `${JSON.stringify(node)} gave ${JSON.stringify(outcome)}`);
  let cause: unknown = outcome.cause;
  if (cause instanceof ChordError) cause = cause.cause;
  assert.ok(cause instanceof RangeError, String(cause));
}
