import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Plan, PlanNode } from '#src/canvas/workflow/plan.js';
import { packRevocation, packStack, readMessage } from '#src/protocol/message.js';
import type { Run } from '#src/web/api.js';
import { attemptsOf } from '#src/web/runs/run-attempts.js';
import { filterFrom, filterOfQuery, matches, setsOf } from '#src/web/runs/run-filter.js';
import { planned } from '#src/web/runs/run-graph.js';
import { type RunContext, runOf } from '#src/web/runs/run-view.js';
import { groupsOf } from '#src/web/views/failed-groups.js';
import { waitingJob } from '../../../support/fake-engine.js';

const SHOW: RunContext = {
  now: 10_000,
  seal: undefined,
  decodeArgs: (encoded) => encoded as unknown[],
  decodeResult: (encoded) => encoded,
};

function runFrom(fields: Parameters<typeof waitingJob>[1], show = SHOW): Run {
  const job = waitingJob('task-1', fields);
  return runOf(job, readMessage(job.data), show);
}

const data = (fields: object) => JSON.stringify({ v: 1, args: [], ...fields });

describe('A task as the page shows it', () => {
  it('has its times, and the error of its last attempt', () => {
    const stack = packStack('RangeError: no\n    at x', { name: 'RangeError', message: 'no' });
    const run = runFrom({
      doneAt: 5_000,
      startedAt: 3_000,
      retries: 3,
      deliveries: 3,
      stack,
      worker: 'one@here',
    });
    assert.deepEqual(
      [run.state, run.retries, run.runtime, run.error],
      ['FAILURE', 2, 2_000, { name: 'RangeError', message: 'no' }],
    );
    const running = runFrom({ running: true, startedAt: 9_000, deliveries: 1, worker: 'one@here' });
    assert.deepEqual([running.state, running.runtime, running.wait], ['STARTED', 1_000, 8_000]);
    const later = runFrom({ data: data({ eta: 60_000 }), delayMs: 59_000 });
    assert.deepEqual([later.state, later.eta], ['PENDING', new Date(60_000).toISOString()]);
  });

  it('gives the reason of a revocation, before and after its end', () => {
    const ended = packRevocation('', {
      name: 'TaskRevokedError',
      message: 'long',
      fields: { reason: 'old' },
    });
    assert.equal(runFrom({ doneAt: 5_000, stack: ended }).error?.message, 'old');
    assert.deepEqual(runFrom({ data: data({ revoked: { reason: 'late' } }) }).error, {
      name: 'TaskRevokedError',
      message: 'late',
    });
  });

  it('shows nothing that is sealed, and cuts what is long', () => {
    const progress = { state: 'PRINTING', meta: { page: 1 } };
    const sealed = runFrom(
      { data: data({ args: ['secret'] }), progress, running: true },
      { ...SHOW, seal: 'aes' },
    );
    assert.deepEqual([sealed.args, sealed.meta], ['[sealed by the serializer "aes"]', null]);
    assert(!JSON.stringify(sealed).includes('secret'));
    assert.equal(runFrom({ data: data({ args: ['\u{1f600}'.repeat(500)] }) }).args.length, 300);
    const broken = { ...SHOW, decodeArgs: () => assert.fail('no') };
    assert.equal(runFrom({}, broken).args, '[cannot be read]');
    assert.equal(
      runFrom({ data: data({ args: [1n.toString(), null, { a: [] }] }) }).args,
      '"1", null, {"a":[]}',
    );
  });
});

describe('The attempts of a task', () => {
  const run = (fields: Partial<Run>) => ({ ...runFrom({}), ...fields });
  const stack = (n: number) => packStack(`Error: ${n}\n    at x`, { name: 'Error', message: `${n}` });
  const error = { name: 'Error', message: 'last' };

  it('have the stacks that are kept, the last ones', () => {
    const failed = run({ retries: 3, doneAt: 'now', startedAt: 'then', error });
    const found = attemptsOf([stack(2), stack(3)], failed);
    assert.deepEqual(
      found.map(({ attempt, error: why }) => [attempt, why?.message]),
      [
        [0, undefined],
        [1, undefined],
        [2, '2'],
        [3, '3'],
      ],
    );
    const fine = attemptsOf([stack(0)], run({ retries: 1, doneAt: 'now', startedAt: 'then' }));
    assert.deepEqual(
      fine.map(({ error: why }) => why?.message),
      ['0', undefined],
    );
    const again = attemptsOf([stack(0)], run({ retries: 1, error }));
    assert.deepEqual(
      again.map(({ attempt }) => attempt),
      [0],
    );
  });
});

describe('A filter', () => {
  const run = runFrom({ data: data({ args: ['Hello'] }) });
  const holds = (given: object) =>
    matches(run, filterFrom(given as Record<string, unknown>), () => '["Hello"]');

  it('takes what all of it says', () => {
    for (const given of [
      {},
      { state: 'pending' },
      { state: ['FAILURE', 'PENDING'] },
      { name: 'ta*' },
      { name: 't*k', queue: 'q' },
      { id: 'task' },
      { text: 'hEL' },
      { after: new Date(1000).toISOString(), before: '2030-01-01' },
    ])
      assert.equal(holds(given), true, JSON.stringify(given));
    for (const given of [
      { state: 'FAILURE' },
      { name: 'ta' },
      { name: 'tas.' },
      { queue: 'other' },
      { tag: 'x' },
      { worker: 'one' },
      { id: 'ask' },
      { text: 'bye' },
      { after: '2030-01-01' },
      { before: new Date(1000).toISOString() },
    ])
      assert.equal(holds(given), false, JSON.stringify(given));
  });

  it('is refused with a wrong value, and looks only where such tasks may be', () => {
    for (const given of [
      { colour: 'red' },
      { name: 5 },
      { state: [1] },
      { after: 'noon' },
      { before: '2026-02-31T' },
    ])
      assert.throws(() => filterFrom(given as Record<string, unknown>), /filter|must be|moment/i);
    const query = new URLSearchParams('state=SUCCESS&state=FAILURE,&name=');
    assert.deepEqual(filterOfQuery(query).states, new Set(['SUCCESS', 'FAILURE']));
    assert.deepEqual(setsOf(new Set(['SUCCESS'])), ['completed']);
    assert.deepEqual(setsOf(new Set(['PRINTING'])), ['active']);
    assert.equal(setsOf(undefined), undefined);
  });
});

describe('Failed tasks', () => {
  it('are grouped by what their messages have in common', () => {
    const failure = (id: string, message: string, at: number): Run => ({
      ...runFrom({}),
      id,
      error: { name: 'Error', message },
      doneAt: new Date(at).toISOString(),
    });
    const groups = groupsOf([
      failure('d', 'no user 17', 4),
      failure('c', 'out of paper', 3),
      failure('b', 'no user 4', 2),
      failure('a', 'no user "x"', 1),
    ]);
    assert.deepEqual(
      groups.map(({ count, ids, message }) => [count, ids, message]),
      [
        [2, ['d', 'b'], 'no user 17'],
        [1, ['c'], 'out of paper'],
        [1, ['a'], 'no user "x"'],
      ],
    );
    assert.deepEqual(
      [groups[0]?.first, groups[0]?.last],
      [new Date(2).toISOString(), new Date(4).toISOString()],
    );
  });
});

describe('The graph of a workflow', () => {
  const task = (name: string): PlanNode => ({ kind: 'task', name, queue: 'q', args: [], fields: {} });
  const plan = (root: PlanNode): Plan => ({ v: 1, root, sentAt: 0 });
  const FLOW = 'abcdefghijkl-0';

  it('has containers, steps in order, links and errbacks', () => {
    const root: PlanNode = {
      kind: 'chain',
      steps: [
        { kind: 'group', members: [task('a'), task('b')] },
        { ...task('sum'), errbacks: [task('warn')] },
      ],
    };
    const { nodes, edges, total } = planned(FLOW, plan(root), undefined);
    assert.deepEqual(
      nodes.map(({ name, kind, parent, callback }) => [name, kind, parent, callback]),
      [
        ['chord', 'chord', null, false],
        ['group', 'group', `${FLOW}.0`, false],
        ['a', 'task', `${FLOW}.0.0`, false],
        ['b', 'task', `${FLOW}.0.0`, false],
        ['sum', 'task', `${FLOW}.0`, false],
        ['warn', 'task', `${FLOW}.0`, true],
      ],
    );
    assert.equal(total, 4);
    assert.deepEqual(edges, [
      { from: `${FLOW}.0.1@q`, to: `${FLOW}.0.1.e0@q` },
      { from: `${FLOW}.0.0`, to: `${FLOW}.0.1@q` },
    ]);
  });

  it('folds a group of thousands, and unfolds a page of it', () => {
    const root: PlanNode = {
      kind: 'group',
      members: Array.from({ length: 10_000 }, (_, i) => task(`m${i}`)),
    };
    const closed = planned(FLOW, plan(root), undefined);
    assert.deepEqual(
      [closed.nodes.length, closed.total, closed.nodes[0]?.folded !== undefined],
      [1, 10_000, true],
    );
    const open = planned(FLOW, plan(root), { id: `${FLOW}.0`, from: 9_980 });
    assert.deepEqual([open.nodes.length, open.nodes[1]?.name], [21, 'm9980']);
  });
});
