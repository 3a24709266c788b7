import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HEAD, PLAN } from '#src/broker/broker.js';
import type { Leaf, Plan, PlanNode } from '#src/canvas/workflow/plan.js';
import { PlanCache } from '#src/canvas/workflow/plan-cache.js';
import { addedField, extraField } from '#src/canvas/workflow/record.js';
import { decodeInputs, encodedInput, WorkflowValues } from '#src/canvas/workflow/values.js';
import { ErrorClasses, encodeFailure } from '#src/protocol/wire-error.js';
import { decodeResult, encodeResult } from '#src/tasks/serializer.js';
import { fakeEngine } from '../../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const task: Leaf = { kind: 'task', name: 'task', queue: 'q', args: [], fields: {} };
const group = (...members: PlanNode[]): PlanNode => ({ kind: 'group', members });
const chain = (...steps: PlanNode[]): PlanNode => ({ kind: 'chain', steps });

/** The values of a workflow whose parts have ended so. */
function workflow(root: PlanNode, fields: Readonly<Record<string, object | string>>) {
  const { engine, broker, calls } = fakeEngine();
  const plan: Plan = { v: 1, root, sentAt: 0 };
  const texts = Object.entries(fields).map(
    ([field, value]) => [field, typeof value === 'string' ? value : JSON.stringify(value)] as const,
  );
  broker.flows.set(FLOW, new Map([[HEAD, '1'], [PLAN, JSON.stringify(plan)], ...texts]));
  const values = new WorkflowValues(engine, new PlanCache(engine));
  return { read: (path: string) => values.read(FLOW, plan, path), calls };
}

const decoding = { decodeResult, classes: new ErrorClasses() };

describe('The value of a part', () => {
  it('is its own, or that of the part it ended with', async () => {
    const { read } = workflow(chain(task, chain(task, task)), {
      '0.0': { s: 1 },
      '0.1.1': { s: 'last' },
      '0.1': { at: '0.1.1' },
      '0': { at: '0.1' },
    });
    assert.deepEqual(await read('0.0'), { value: 1 });
    assert.deepEqual(await read('0'), { value: 'last' });
    assert.equal(await read('0.1.0'), undefined);
  });

  it('is none where it did not end well', async () => {
    const f = { id: 'x', name: 'x', error: { name: 'Error', message: 'no' }, t: 0 };
    const { read } = workflow(group(task, task), { '0.0': { f }, '0.1': { s: 1 }, '0': { g: 2 } });
    assert.deepEqual([await read('0.0'), await read('0')], [undefined, undefined]);
  });

  it('of a group is a list, where a group in it stands among the others, and one at the end of a chain does not', async () => {
    const { read } = workflow(group(task, group(task, task), chain(task, group(task))), {
      '0.0': { s: 'a' },
      '0.1.0': { s: 'b' },
      '0.1.1': { s: 'c' },
      '0.1': { g: 2 },
      '0.2.1.0': { s: 'd' },
      '0.2.1': { g: 1 },
      '0.2': { at: '0.2.1' },
      '0': { g: 3 },
    });
    const list = ['a', 'b', 'c'].map((value) => ({ value }));
    assert.deepEqual(await read('0'), { list: [...list, { list: [{ value: 'd' }] }] });
  });

  it('of a group counts members that were added, though this process has not heard of them', async () => {
    const { read } = workflow(group(task), {
      [extraField('0')]: '1',
      [addedField('0', 0)]: { by: 'somebody 0', node: group(task) },
      '0.0': { s: 1 },
      '0.1.0': { s: 2 },
      '0.1': { g: 1 },
      '0': { g: 2 },
    });
    assert.deepEqual(await read('0'), { list: [{ value: 1 }, { value: 2 }] });
  });

  it('of a large group is read in steps', async () => {
    const members = Array.from({ length: 1_200 }, () => task);
    const ended = Object.fromEntries(members.map((_, i) => [`0.${i}`, { s: i }]));
    const { read, calls } = workflow(group(...members), { ...ended, '0': { g: 1_200 } });
    const value = await read('0');
    assert.ok(value !== undefined && 'list' in value && value.list.length === 1_200);
    assert.equal(calls.get('flows.read'), 4);
  });
});

describe('What a part is called with', () => {
  it('is a value, a list, or the request and the error of what failed', () => {
    assert.deepEqual(decodeInputs({ value: encodeResult(7) }, decoding), [7]);
    const list = { list: [{ value: encodeResult(1) }, { list: [{ value: encodeResult(undefined) }] }] };
    assert.deepEqual(decodeInputs(list, decoding), [[1, [undefined]]]);
    const request = encodeResult({ id: 'x', name: 'task' });
    const [of, error] = decodeInputs({ request, error: encodeFailure(new RangeError('no')) }, decoding);
    assert.deepEqual(of, { id: 'x', name: 'task' });
    assert.ok(error instanceof Error && error.message === 'no');
  });

  it('is stored as a result without being decoded', () => {
    const list = { list: [{ value: encodeResult(1) }, { list: [{ value: encodeResult(undefined) }] }] };
    assert.deepEqual(decodeResult(encodedInput(list)), [1, [undefined]]);
    assert.deepEqual(decodeResult(encodedInput({ value: encodeResult('x') })), 'x');
  });
});
