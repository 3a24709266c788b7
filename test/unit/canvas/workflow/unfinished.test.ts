import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Leaf, Plan, PlanNode } from '#src/canvas/workflow/plan.js';
import { failedField } from '#src/canvas/workflow/record.js';
import { unfinished, unfinishedFields } from '#src/canvas/workflow/unfinished.js';

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

const f = { id: 'x', name: 'x', error: { name: 'Error', message: 'no' }, t: 0 };
const WELL = { s: 1 };
const BADLY = { f };

/** The names of what is still to come. */
function left(root: PlanNode, record: Readonly<Record<string, object>>): string[] {
  const plan: Plan = { v: 1, root, sentAt: 0 };
  const known = new Set(unfinishedFields(plan));
  for (const field of Object.keys(record)) assert.ok(known.has(field), `${field} is read`);
  return unfinished(plan, (field) =>
    record[field] === undefined ? undefined : JSON.stringify(record[field]),
  ).map(([, { name }]) => name);
}

describe('What of a workflow is still to come', () => {
  const chord = chain(
    group(task('a'), chain(task('b'), task('c'))),
    task('body', { errbacks: [task('blamed')] }),
  );

  it('is what has begun and has not ended', () => {
    assert.deepEqual(left(chord, {}), ['a', 'b']);
    assert.deepEqual(left(chord, { '0.0.0': WELL }), ['b']);
    assert.deepEqual(left(chord, { '0.0.0': WELL, '0.0.1.0': WELL }), ['c']);
    const header = {
      '0.0.0': WELL,
      '0.0.1.0': WELL,
      '0.0.1.1': WELL,
      '0.0.1': { at: '0.0.1.1' },
      '0.0': { g: 2 },
    };
    assert.deepEqual(left(chord, header), ['body']);
    assert.deepEqual(left(chord, { ...header, '0.1': WELL }), []);
  });

  it('beside a failure is what goes on, and what is called for it', () => {
    const failing = { at: '0.0.0', i: 0, in: 'group', f };
    const around = { at: '0.0.0', i: 0, in: 'chain', chord: true, f };
    const record = { '0.0.0': BADLY, [failedField('0.0')]: failing, [failedField('0')]: around };
    assert.deepEqual(left(chord, record), ['b', 'blamed']);
    assert.deepEqual(left(chord, { ...record, '0.0.1.0': BADLY, '0.1.e0': WELL }), []);
  });

  it('is nothing after a task that ignores itself but what is beside it', () => {
    const ignored = { at: '0.0.0', i: 0, in: 'chain', chord: true, ignored: true, f };
    assert.deepEqual(
      left(chord, { '0.0.0': { i: true }, [failedField('0')]: ignored, '0.0.1.0': WELL, '0.0.1.1': WELL }),
      [],
    );
  });

  it('is nothing after a task that ends its workflow but its links and what is beside it', () => {
    const early = { at: '0.0.0', i: 0, in: 'chain', ended: '0', f };
    const record = {
      '0.0.0': { s: 1, e: true },
      [failedField('0.0')]: { ...early, in: 'group' },
      [failedField('0')]: early,
      '0': { at: '0.0.0' },
    };
    assert.deepEqual(left(chord, record), ['b']);
    const whole = { ...chain(task('a'), task('never')), links: [task('link')], errbacks: [task('e')] };
    const ended = { '0.0': { s: 1, e: true }, [failedField('0')]: { ...early, at: '0.0' } };
    assert.deepEqual(left(whole, { ...ended, '0': { at: '0.0' } }), ['link']);
    assert.deepEqual(left(whole, { ...ended, '0': { at: '0.0' }, '0.l0': WELL }), []);
  });

  it('includes links once what they hang on has ended', () => {
    const linked = task('a', { links: [chain(task('l1'), task('l2'))], errbacks: [task('e')] });
    assert.deepEqual(left(linked, {}), ['a']);
    assert.deepEqual(left(linked, { '0': WELL }), ['l1']);
    assert.deepEqual(left(linked, { '0': WELL, '0.l0.0': WELL }), ['l2']);
    assert.deepEqual(left(linked, { '0': BADLY }), ['e']);
  });
});
