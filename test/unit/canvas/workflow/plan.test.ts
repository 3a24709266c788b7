import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { afterFailure, afterSuccess } from '#src/canvas/workflow/advance.js';
import {
  ancestors,
  delaysIn,
  finalOf,
  goesOn,
  type Leaf,
  leaves,
  nodeAt,
  type Plan,
  type PlanNode,
  placeOf,
  ROOT,
  starts,
  stepBefore,
} from '#src/canvas/workflow/plan.js';
import { sharedFailing } from '#src/canvas/workflow/record.js';

const task = (name: string, more: Partial<Leaf> = {}): Leaf => ({
  kind: 'task',
  name,
  queue: 'q',
  args: [],
  fields: {},
  ...more,
});
const chain = (...steps: PlanNode[]): PlanNode => ({ kind: 'chain', steps });
const group = (...members: PlanNode[]): PlanNode => ({ kind: 'group', members });
const planOf = (root: PlanNode): Plan => ({ v: 1, root, sentAt: 0 });
const written = (writes: readonly { field: string; counter?: string }[]) =>
  writes.map(({ field, counter }) => (counter === undefined ? field : `${field}+${counter}`));

const blame = { id: 'x', name: 'b', error: { name: 'Error', message: 'no' }, t: 0 };

describe('A plan', () => {
  const plan = planOf(
    chain(task('a'), group(task('b'), chain(task('c'), task('d'))), task('e', { links: [task('l')] })),
  );

  it('names its parts by their paths', () => {
    assert.deepEqual(
      [...leaves(plan.root, ROOT)].map(([path, { name }]) => `${path} ${name}`),
      ['0.0 a', '0.1.0 b', '0.1.1.0 c', '0.1.1.1 d', '0.2 e'],
    );
    assert.equal((nodeAt(plan, '0.2.l0') as Leaf).name, 'l');
    assert.equal(nodeAt(plan, '0.7'), undefined);
    assert.deepEqual(ancestors('0.1.1.0'), ['0.1.1', '0.1', '0']);
    assert.deepEqual([placeOf('0.2.l0'), placeOf('0')], [undefined, undefined]);
    assert.equal(finalOf(plan.root, ROOT), '0.2');
    assert.deepEqual(
      [stepBefore(plan, '0.2'), stepBefore(plan, '0.1.1.0'), stepBefore(plan, '0.0')],
      ['0.1', '0.0', undefined],
    );
  });

  it('begins with the first step, and with every member of a group', () => {
    const begun = (node: PlanNode) => starts(node, ROOT).map((start) => `${start.kind} ${start.path}`);
    assert.deepEqual(begun(plan.root), ['task 0.0']);
    assert.deepEqual(begun(group(task('a'), chain(task('b')))), ['task 0.0', 'task 0.1.0']);
    assert.deepEqual(begun(chain(group(), task('a'))), ['empty 0.0']);
  });
});

describe('How long a record is needed', () => {
  it('is as long as its plan delays it, one step after the other', () => {
    const root = chain(task('a', { delayMs: 5 }), group(task('b', { etaAt: 110 }), task('c', { etaAt: 90 })));
    assert.equal(delaysIn(root, 100), 15);
  });

  it('is longer than its outcome where callbacks are more than a task, or read a list', () => {
    const plain = task('a', { links: [task('l')], errbacks: [task('e')] });
    assert.equal(goesOn(chain(plain, group(task('b'), plain))), false);
    assert.equal(goesOn({ ...group(plain), errbacks: [task('e')] }), false);
    for (const more of [
      { links: [chain(task('l'), task('m'))] },
      { errbacks: [group(task('e'))] },
      { links: [task('l', { links: [task('m')] })] },
    ])
      assert.equal(goesOn(chain(task('a'), group(task('b', more)))), true);
    assert.equal(goesOn({ ...chain(task('a'), group(task('b'))), links: [task('l')] }), true);
  });
});

describe('What follows from the end of a part', () => {
  const plan = planOf(chain(task('a'), group(task('b'), chain(task('c'), task('d'))), task('e')));
  const value = { s: 1 };

  it('is the step after it', () => {
    const { writes, next } = afterSuccess(plan, '0.0', value);
    assert.deepEqual(written(writes), ['0.0']);
    assert.ok(next.kind === 'step' && next.path === '0.1' && next.from === '0.0');
  });

  it('is one more ended member of its group, also when it ends a chain in it', () => {
    assert.deepEqual(written(afterSuccess(plan, '0.1.0', value).writes), ['0.1.0+n:0.1']);
    const { writes, next } = afterSuccess(plan, '0.1.1.1', value);
    assert.deepEqual(written(writes), ['0.1.1.1', '0.1.1+n:0.1']);
    assert.ok(next.kind === 'member' && next.size === 2);
  });

  it('is the end of the whole', () => {
    const { writes, next } = afterSuccess(plan, '0.2', value);
    assert.deepEqual([written(writes), next.kind], [['0.2', '0', '!+n:!'], 'whole']);
  });

  it('is nothing for a link', () => {
    const linked = planOf(task('a', { links: [chain(task('l'), task('m'))] }));
    assert.equal(afterSuccess(linked, '0.l0.1', value).next.kind, 'callback');
  });
});

describe('What follows from the failure of a part', () => {
  it('is the failure of every chain and group around it, and one more ended member', () => {
    const plan = planOf(chain(group(task('a'), chain(task('b'), task('c'))), task('body')));
    const { writes, failed, counted } = afterFailure(plan, '0.0.1.0', blame, { f: blame });
    assert.deepEqual(written(writes), ['0.0.1.0', '!0.0.1', '0.0.1+n:0.0', '!0.0', '!0', '0', '!+n:!']);
    assert.deepEqual(
      failed.map(({ path, body }) => [path, body]),
      [
        ['0.0.1', undefined],
        ['0.0', undefined],
        ['0', '0.1'],
      ],
    );
    assert.deepEqual(
      counted.map(({ group: path, size }) => [path, size]),
      [['0.0', 2]],
    );
  });

  it('leaves a group as the whole open until all its members have ended', () => {
    const { writes } = afterFailure(planOf(group(task('a'), task('b'))), '0.0', blame, { f: blame });
    assert.deepEqual(written(writes), ['0.0+n:0', '!0']);
  });

  it('is shared by later steps only, by a body as the failure of its chord', () => {
    const failing = { at: '0.1.0', i: 1, in: 'chain', chord: true, f: blame } as const;
    const around = [{ path: '0', failing }];
    assert.equal(sharedFailing('0.0', around), undefined);
    assert.equal(sharedFailing('0.1.5', around), undefined);
    assert.deepEqual(sharedFailing('0.2', around), { failing, body: true, itself: true });
    assert.deepEqual(sharedFailing('0.2.0', around), { failing, body: true, itself: false });
    assert.deepEqual(sharedFailing('0.3.1', around), { failing, body: false, itself: false });
    assert.equal(sharedFailing('0.1', [{ path: '0', failing: { ...failing, in: 'group' } }]), undefined);
  });
});
