import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CLOSED, HEAD, PLAN, REVOKED, type StoredJob } from '#src/broker/broker.js';
import { WorkflowCheckup } from '#src/canvas/workflow/checkup.js';
import type { Leaf, Plan, PlanNode } from '#src/canvas/workflow/plan.js';
import { PlanCache } from '#src/canvas/workflow/plan-cache.js';
import { missingField, replacedField } from '#src/canvas/workflow/record.js';
import { EXPIRED_AFTER_MS } from '#src/canvas/workflow/writes.js';
import { partId } from '#src/protocol/ids.js';
import { fakeEngine, waitingJob } from '../../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const START = 1_000_000;
const SENT_WITHIN_MS = 5_000;
const leaf = (name: string): Leaf => ({ kind: 'task', name, queue: 'q', args: [], fields: {} });
const root: PlanNode = { kind: 'chain', steps: [leaf('first'), leaf('second')] };

/** A workflow of two steps that was sent at the start, and what a look at it does. */
function workflow(fields: Readonly<Record<string, string>> = {}) {
  const fake = fakeEngine();
  const plan: Plan = { v: 1, root, sentAt: START };
  const record = new Map([[HEAD, '1'], [PLAN, JSON.stringify(plan)], ...Object.entries(fields)]);
  fake.broker.flows.set(FLOW, record);
  const clock = { at: START };
  const done: string[] = [];
  const told = { as: 'going on' };
  const note = (what: string) => async (_: string, __: Plan, path: string) => {
    done.push(`${what} ${path}`);
    return told.as;
  };
  const checkup = new WorkflowCheckup({
    engine: fake.engine,
    jobs: fake.tasks,
    clock: { now: () => clock.at } as never,
    plans: new PlanCache(fake.engine),
    progress: { fail: note('fail'), revokePart: note('revoke') } as never,
    drops: { drop: async () => void done.push('drop') } as never,
    sentWithinMs: SENT_WITHIN_MS,
  });
  return {
    record,
    done,
    told,
    clock,
    job(path: string, more: Partial<StoredJob> = {}) {
      const id = partId(FLOW, path, 'q');
      fake.broker.jobs.set(id, waitingJob(id, more));
    },
    async look(atMs = 0) {
      clock.at = START + atMs;
      const next = await checkup.look(FLOW);
      return next === undefined ? undefined : next - START;
    },
  };
}

const expiring = (ms: number) => ({ data: JSON.stringify({ v: 1, args: [], expires: START + ms }) });

describe('A look at a workflow', () => {
  it('is the last where it is over, was revoked or is gone', async () => {
    assert.equal(await workflow({ [CLOSED]: '{}' }).look(), undefined);
    assert.equal(await workflow({ [REVOKED]: '{}' }).look(), undefined);
    const gone = workflow();
    gone.record.clear();
    assert.equal(await gone.look(), undefined);
  });

  it('leaves alone what waits or runs, and comes again less and less often', async () => {
    const { look, job, done } = workflow();
    job('0.0');
    assert.equal(await look(), SENT_WITHIN_MS);
    assert.equal(await look(60_000), 90_000);
    job('0.0', { running: true, deliveries: 1 });
    assert.equal(await look(100 * 3_600_000), 101 * 3_600_000);
    assert.deepEqual(done, []);
  });
});

describe('A part whose job is gone', () => {
  it('fails at the second look only, when whoever has to send it has had the time', async () => {
    const { look, record, done } = workflow();
    assert.equal(await look(10_000), 10_000 + SENT_WITHIN_MS);
    assert.equal(record.get(missingField('0.0')), `${START + 10_000}`);
    assert.equal(await look(12_000), 10_000 + SENT_WITHIN_MS, 'since the first look, not the last');
    assert.deepEqual(done, []);
    await look(10_000 + SENT_WITHIN_MS);
    assert.deepEqual(done, ['fail 0.0']);
  });

  it('is the next one, once the first has ended', async () => {
    const { look, done } = workflow({ '0.0': '{"s":1}', [missingField('0.1')]: `${START}` });
    await look(10_000);
    assert.deepEqual(done, ['fail 0.1']);
  });

  it('counts as gone when it ended and said nothing, not when something has replaced it', async () => {
    const ended = workflow({ [missingField('0.0')]: `${START}` });
    ended.job('0.0', { doneAt: START });
    await ended.look(10_000);
    assert.deepEqual(ended.done, ['fail 0.0']);
    const replaced = workflow({ [missingField('0.0')]: `${START}`, [replacedField('0.0')]: 'flow' });
    await replaced.look(10_000);
    assert.deepEqual(replaced.done, []);
  });

  it('ends nothing more than itself when the workflow was to be forgotten', async () => {
    const { look, done, told } = workflow({ [missingField('0.0')]: `${START}` });
    told.as = 'forgotten';
    await look(10_000);
    assert.deepEqual(done, ['fail 0.0', 'drop']);
  });
});

describe('A part that expires where nobody takes it', () => {
  it('is revoked a moment after, when it has not begun', async () => {
    const { look, job, done } = workflow();
    job('0.0', expiring(1_000));
    assert.equal(await look(), Math.min(SENT_WITHIN_MS, 1_000 + EXPIRED_AFTER_MS));
    await look(1_000 + EXPIRED_AFTER_MS - 1);
    assert.deepEqual(done, []);
    await look(1_000 + EXPIRED_AFTER_MS);
    assert.deepEqual(done, ['revoke 0.0']);
  });

  it('goes on when a worker has begun it', async () => {
    for (const begun of [{ running: true }, { deliveries: 1 }]) {
      const { look, job, done } = workflow();
      job('0.0', { ...expiring(1_000), ...begun });
      await look(3_600_000);
      assert.deepEqual(done, []);
    }
  });
});
