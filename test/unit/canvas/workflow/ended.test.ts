import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { afterEnded, endedBy } from '#src/canvas/workflow/ended.js';
import type { Plan, PlanNode } from '#src/canvas/workflow/plan.js';

const leaf: PlanNode = { kind: 'task', name: 'task', queue: 'q', args: [], fields: {} };
const chain = (...steps: PlanNode[]): PlanNode => ({ kind: 'chain', steps });
const group = (...members: PlanNode[]): PlanNode => ({ kind: 'group', members });
const plan = (root: PlanNode): Plan => ({ v: 1, root, sentAt: 0 });

describe('What ends with a task that ends its workflow', () => {
  it('is the chain around it, which a chord is too', () => {
    assert.equal(endedBy(plan(chain(leaf, leaf)), '0.0'), '0');
    assert.equal(endedBy(plan(chain(group(leaf, leaf), leaf)), '0.0.1'), '0');
    assert.equal(endedBy(plan(chain(group(group(leaf), leaf), leaf)), '0.0.0.0'), '0');
    assert.equal(endedBy(plan(chain(chain(leaf, leaf), leaf)), '0.0.1'), '0', 'a chain among its steps');
  });

  it('is the chain alone where that is a member of a group', () => {
    assert.equal(endedBy(plan(group(chain(leaf, leaf), leaf)), '0.0.0'), '0.0');
    assert.equal(endedBy(plan(chain(group(chain(leaf, leaf), leaf), leaf)), '0.0.0.0'), '0.0.0');
  });

  it('is nothing where no step comes after it', () => {
    for (const [root, path] of [
      [leaf, '0'],
      [chain(leaf, leaf), '0.1'],
      [group(leaf, leaf), '0.1'],
      [chain(leaf, group(leaf, leaf)), '0.1.0'],
      [chain(leaf, chain(leaf, leaf)), '0.1.1'],
      [chain(group(chain(leaf, group(leaf)), leaf), leaf), '0.0.0.1.0'],
    ] as const)
      assert.equal(endedBy(plan(root), path), undefined, path);
    const linked: PlanNode = { ...leaf, links: [leaf] };
    assert.equal(endedBy(plan(chain(linked, leaf)), '0.0.l0'), undefined, 'a link ends nothing');
  });
});

describe('The writes of an early end', () => {
  const cause = { id: 'id', name: '', error: { name: 'none', message: '' }, t: 7 };
  const written = (root: PlanNode, path: string, part: string) => {
    const { writes, claim, advance, counted, inside } = afterEnded(
      plan(root),
      path,
      part,
      { s: 1, e: true },
      cause,
    );
    const fields = writes.map(({ field, counter }) =>
      counter === undefined ? field : `${field} ${counter}`,
    );
    return { fields, claim: fields[claim], next: advance.next, counted, inside };
  };

  it('end task and whole together, so that nothing comes between', () => {
    const { fields, claim, next, inside } = written(chain(leaf, leaf), '0.0', '0');
    assert.deepEqual(fields, ['0.0', '!0', '0', '! n:!']);
    assert.deepEqual([claim, next, inside], ['!0', { kind: 'whole', write: 3 }, ['0.0']]);
  });

  it('count a member of the header, which nothing follows', () => {
    const { fields, claim, counted } = written(chain(group(leaf, leaf), leaf), '0.0.1', '0');
    assert.deepEqual(fields, ['0.0.1 n:0.0', '!0.0', '!0', '0', '! n:!']);
    assert.deepEqual([claim, counted], ['!0', [{ group: '0.0', size: 2, write: 0 }]]);
  });

  it('count the chain that ended in its group, or lead to the next step', () => {
    const member = written(group(chain(leaf, leaf), leaf), '0.0.0', '0.0');
    assert.deepEqual(member.fields, ['0.0.0', '!0.0', '0.0 n:0']);
    assert.deepEqual(member.next, { kind: 'member', group: '0', size: 2, write: 2 });
    const inner = written(chain(chain(leaf, leaf), leaf), '0.0.0', '0');
    assert.deepEqual(inner.inside, ['0.0.0', '0.0']);
  });
});
