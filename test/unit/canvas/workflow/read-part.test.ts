import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CLOSED, HEAD, PLAN, REVOKED } from '#src/broker/broker.js';
import type { Leaf, Plan, PlanNode } from '#src/canvas/workflow/plan.js';
import { PlanCache } from '#src/canvas/workflow/plan-cache.js';
import { RecordedParts } from '#src/canvas/workflow/read-part.js';
import { failedField } from '#src/canvas/workflow/record.js';
import { WorkflowValues } from '#src/canvas/workflow/values.js';
import type { TaskRecord } from '#src/coordination/task-record.js';
import { partId } from '#src/protocol/ids.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import { derive } from '#src/results/snapshot.js';
import { clockAt, fakeEngine, waitingJob } from '../../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const NOW = 9_000;
const leaf = (name: string, more: Partial<Leaf> = {}): Leaf => ({
  kind: 'task',
  name,
  queue: 'mail',
  args: [1],
  fields: {},
  ...more,
});
const f = { id: 'x', name: 'broken', error: { name: 'RangeError', message: 'out of it' }, t: 700 };
/** A chord, whose header is a group of two, and a step after it. */
const root: PlanNode = {
  kind: 'chain',
  steps: [
    { kind: 'group', members: [leaf('a'), leaf('b', { fields: { ignore: true } })] },
    leaf('body', { priority: 4 }),
    leaf('last'),
  ],
};

/** Reads parts of a workflow whose record has these fields; `gives` is how anybody sees one. */
function workflow(fields: Readonly<Record<string, object>> = {}) {
  const { engine, broker } = fakeEngine();
  const plan: Plan = { v: 1, root, sentAt: 500 };
  const texts = Object.entries(fields).map(([field, value]) => [field, JSON.stringify(value)] as const);
  broker.flows.set(FLOW, new Map([[HEAD, '1'], [PLAN, JSON.stringify(plan)], ...texts]));
  const plans = new PlanCache(engine);
  const values = new WorkflowValues(engine, plans);
  const parts = new RecordedParts({ engine, clock: clockAt(NOW), plans, values });
  const read = async (path: string, job?: TaskRecord, queue: string | undefined = 'mail') => {
    const ref = { queue: queue ?? '', id: partId(FLOW, path, queue) };
    const [reading] = await parts.read([{ ref, address: { flow: FLOW, path, queue } }]);
    return reading?.(job);
  };
  const decoding = {
    now: NOW,
    classes: new ErrorClasses(),
    decodeArgs: (args: unknown) => args as unknown[],
    decodeResult: (value: unknown) => value,
  };
  return {
    parts,
    read,
    gives: async (path: string, job?: TaskRecord) => derive('id', await read(path, job), decoding),
  };
}

describe('A part of a workflow as others see it', () => {
  it('is pending before its turn, as the plan describes it', async () => {
    const { gives, read } = workflow();
    const { state, name, queue, args, sentAt } = await gives('0.1');
    assert.deepEqual([state, name, queue, args, sentAt?.getTime()], ['PENDING', 'body', 'mail', [1], 500]);
    assert.equal((await read('0.1'))?.priority, 4);
    assert.equal(await read('0.9'), undefined, 'the plan has no such part');
  });

  it('has the value that the record says, also when its job is gone', async () => {
    const { gives } = workflow({ '0.0.0': { s: 7 }, '0.0.1': { s: 8 }, '0.0': { g: 2 } });
    assert.deepEqual([(await gives('0.0.0')).value, (await gives('0.0')).state], [7, 'SUCCESS']);
  });

  it('failed as the record says, and what failed with it names the task to blame', async () => {
    const failing = { at: '0.0.0', i: 0, in: 'chain', chord: true, f };
    const { gives, read } = workflow({ '0.0.0': { f }, [failedField('0')]: failing });
    const own = await read('0.0.0');
    assert.deepEqual([own?.failedReason, own?.doneAt, own?.blame], ['RangeError: out of it', 700, undefined]);
    const [body, last] = [await read('0.1'), await read('0.2')];
    assert.match(body?.failedReason ?? '', /^ChordError: The member broken \(x\) .* RangeError: out of it/);
    assert.match(last?.failedReason ?? '', /^RangeError/);
    assert.deepEqual(last?.blame, { taskId: 'x', taskName: 'broken' });
    assert.equal((await gives('0.2')).state, 'FAILURE');
  });

  it('was revoked with its workflow, unless a worker had it by then and runs it', async () => {
    const { gives } = workflow({ [REVOKED]: { r: 'enough', t: 800, s: { '0.1': 2 } } });
    const before = await gives('0.2');
    assert.deepEqual([before.state, before.doneAt?.getTime()], ['REVOKED', 800]);
    const running = (deliveries: number) => waitingJob('job', { running: true, deliveries, startedAt: 600 });
    assert.equal((await gives('0.1', running(2))).state, 'STARTED');
    assert.equal((await gives('0.1', running(3))).state, 'REVOKED', 'another delivery is thrown away');
  });

  it('is as its job says where that goes on or has ended', async () => {
    const { read } = workflow();
    for (const fields of [{}, { running: true }, { doneAt: 5, returnvalue: '1' }]) {
      const job = waitingJob('job', fields);
      assert.equal(await read('0.1', job), job);
    }
  });

  it('that keeps no result is gone with the end of the workflow, not before', async () => {
    const ended = { '0.0.1': { s: 1 } };
    assert.equal((await workflow(ended).gives('0.0.1')).state, 'SUCCESS');
    assert.equal(await workflow({ ...ended, [CLOSED]: { end: true } }).read('0.0.1'), undefined);
  });
});

describe('The result of a workflow', () => {
  it('is that of its last part; of one that is gone there is none', async () => {
    const { parts } = workflow();
    assert.deepEqual(await parts.finalOf(FLOW), { queue: 'mail', id: partId(FLOW, '0.2', 'mail') });
    assert.equal(await parts.finalOf('flowflowflow-9'), undefined);
  });
});
