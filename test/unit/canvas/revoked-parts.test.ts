import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HEAD, PLAN, REVOKED } from '#src/broker/broker.js';
import type { Leaf, Plan } from '#src/canvas/workflow/plan.js';
import type { PlainSource } from '#src/canvas/workflow/results.js';
import { Workflows } from '#src/canvas/workflow/workflows.js';
import { TaskIdIndex } from '#src/coordination/task-id-index.js';
import { partId } from '#src/protocol/ids.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import { derive } from '#src/results/snapshot.js';
import { TaskReader } from '#src/results/task-reader.js';
import { clockAt, fakeEngine, waitingJob } from '../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const leaf = (name: string, more: Partial<Leaf> = {}): Leaf => ({
  kind: 'task',
  name,
  queue: 'q',
  args: [],
  fields: {},
  ...more,
});
const ID = partId(FLOW, '0', 'q');
const REF = { queue: 'q', id: ID };
const NOW = 7_000;

/** A task with a link, sent at 1,000 and waiting; what reads and revokes it. */
function sent() {
  const fake = fakeEngine();
  const plan: Plan = { v: 1, root: leaf('task', { links: [leaf('after')] }), sentAt: 1_000 };
  fake.broker.flows.set(
    FLOW,
    new Map([
      [HEAD, '1'],
      [PLAN, JSON.stringify(plan)],
    ]),
  );
  fake.broker.jobs.set(ID, waitingJob(ID, { data: JSON.stringify({ v: 1, args: [], flow: {} }) }));
  const clock = clockAt(NOW);
  const workflows = new Workflows({
    engine: fake.engine,
    clock,
    resultExpiresMs: 1e6,
    failureExpiresMs: 1e6,
    publishRetryMs: 1000,
    lockDurationMs: 1000,
  });
  const decoding = {
    classes: new ErrorClasses(),
    decodeArgs: (args: unknown) => args as unknown[],
    decodeResult: (value: unknown) => value,
  };
  const tasks = new TaskReader(fake.engine, workflows.parts);
  const source = {
    engine: fake.engine,
    tasks,
    clock,
    feed: { read: async (ref: typeof REF) => (await tasks.read([ref]))[0] },
    decoding,
    locate: async () => REF,
  } as unknown as PlainSource;
  const { results } = workflows.connect({
    producer: undefined as never,
    ids: undefined as never,
    index: new TaskIdIndex(fake.engine, tasks, clock, 1000),
    unique: undefined as never,
    tracing: undefined,
    inTransaction: undefined as never,
    sender: () => undefined as never,
    jobs: tasks.jobs,
    results: source,
  });
  const look = async () => {
    const [job] = await tasks.read([REF]);
    return derive(ID, job, { ...decoding, now: NOW });
  };
  return { fake, results, look };
}

describe('A task with callbacks that is revoked', () => {
  it('before it started reads REVOKED from then on, while a worker throws it away too', async () => {
    const { fake, results, look } = sent();
    assert.deepEqual(await results.revoke(REF, { reason: 'enough' }), { found: true, was: 'PENDING' });
    for (const fields of [{}, { running: true, deliveries: 1, startedAt: 8_000, worker: 'w' }]) {
      fake.broker.change(ID, fields);
      const { state, doneAt, startedAt, worker } = await look();
      assert.deepEqual([state, doneAt, startedAt, worker], ['REVOKED', new Date(NOW), undefined, undefined]);
      const { nodes } = await results.graph(REF, ID, 'task');
      assert.equal(nodes[0]?.state, 'REVOKED');
    }
    assert.deepEqual(await results.revoke(REF, {}), { found: true, was: 'REVOKED' });
  });

  it('while it ran reads STARTED until that attempt ends, and REVOKED when it is fetched again', async () => {
    const { fake, results, look } = sent();
    fake.broker.change(ID, { running: true, deliveries: 1, startedAt: 6_000, worker: 'w' });
    assert.deepEqual(await results.revoke(REF, {}), { found: true, was: 'STARTED' });
    assert.equal(fake.calls.get('amendData'), undefined, 'the revocation itself says what ran');
    assert.equal((await look()).state, 'STARTED');
    fake.broker.change(ID, { running: false, retries: 1 });
    assert.equal((await look()).state, 'REVOKED');
    fake.broker.change(ID, { running: true, deliveries: 2 });
    assert.equal((await look()).state, 'REVOKED');
  });

  it('just after it was fetched reads STARTED, once it is seen to run on', async () => {
    const { fake, results, look } = sent();
    fake.before = (method) => {
      if (method === 'flows.write')
        fake.broker.change(ID, { running: true, deliveries: 1, startedAt: 6_999 });
    };
    assert.deepEqual(await results.revoke(REF, { reason: 'enough' }), { found: true, was: 'STARTED' });
    const { state, startedAt } = await look();
    assert.deepEqual([state, startedAt], ['STARTED', new Date(6_999)]);
  });

  it('is read as before where it was revoked by another version', async () => {
    const { fake, look } = sent();
    fake.broker.flows.get(FLOW)?.set(REVOKED, JSON.stringify({ r: 'old' }));
    const { state, doneAt, error } = await look();
    assert.deepEqual([state, doneAt], ['REVOKED', new Date(1_000)]);
    assert.match(String(error), /old/);
  });
});
