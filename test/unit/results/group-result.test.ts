import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoredJob } from '#src/broker/broker.js';
import { ResultTimeoutError, TaskFailedError } from '#src/errors.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import { AsyncResult } from '#src/results/async-result.js';
import { GroupResult } from '#src/results/group-result.js';
import type { ResultSource } from '#src/results/result-source.js';
import { clockAt, fakeEngine, waitingJob } from '../../support/fake-engine.js';

const WELL = { doneAt: 1_500, returnvalue: '7' };
const BADLY = { doneAt: 1_500, failedReason: 'Error: no', retries: 1 };

/** A group whose members are so. */
function groupOf(...members: Partial<StoredJob>[]) {
  const { engine } = fakeEngine();
  const jobs = new Map(members.map((fields, n) => [`m${n}`, waitingJob(`m${n}`, fields)]));
  const source = {
    engine,
    clock: clockAt(2_000),
    feed: {
      read: async ({ id }: { id: string }) => jobs.get(id),
      patiently: <R>(work: () => Promise<R>) => work(),
      until: async ({ ref, accept }: { ref: { id: string }; accept(job: unknown): boolean }) => {
        const job = jobs.get(ref.id);
        // Nobody ends it here.
        return accept(job) ? { job } : new Promise(() => undefined);
      },
      watch: () => ({ listening: Promise.resolve(), close: () => undefined }),
    },
    decoding: {
      classes: new ErrorClasses(),
      decodeArgs: (args: unknown) => args as unknown[],
      decodeResult: (value: unknown) => value,
    },
    locate: async (id: string) => ({ queue: 'q', id }),
  } as unknown as ResultSource;
  const results = [...jobs.keys()].map((id) => new AsyncResult(source, id, { ref: { queue: 'q', id } }));
  return new GroupResult(source, 'group', results);
}

describe('A group', () => {
  it('is ready when all its members have ended, whatever way, and successful when all ended well', async () => {
    const states = async (group: GroupResult<unknown[]>) => [
      await group.ready(),
      await group.successful(),
      await group.failed(),
      await group.completedCount(),
    ];
    assert.deepEqual(await states(groupOf(WELL, WELL)), [true, true, false, 2]);
    assert.deepEqual(await states(groupOf(WELL, BADLY)), [true, false, true, 1]);
    assert.deepEqual(await states(groupOf(WELL, {})), [false, false, false, 1]);
    assert.deepEqual(await states(groupOf({}, BADLY)), [false, false, true, 0]);
  });

  it('gives values in order, errors in their places where they are not to be thrown', async () => {
    const [value, error] = (await groupOf(WELL, BADLY).get({ propagate: false })) as unknown[];
    assert.equal(value, 7);
    assert.ok(error instanceof Error);
  });

  it('tells its members as they have ended, each once, by its place', async () => {
    const seen: unknown[] = [];
    for await (const { index, id, state } of groupOf(BADLY, WELL).updates()) seen.push([index, id, state]);
    assert.deepEqual(seen, [
      [0, 'm0', 'FAILURE'],
      [1, 'm1', 'SUCCESS'],
    ]);
  });

  it('that is looked at once throws for a member that failed, before it misses those that have not ended', async () => {
    await assert.rejects(groupOf({}, WELL, BADLY).get({ timeout: 0 }), TaskFailedError);
    await assert.rejects(groupOf({}, WELL).get({ timeout: '0ms' }), ResultTimeoutError);
    await assert.rejects(groupOf({}, BADLY).get({ timeout: 0, propagate: false }), ResultTimeoutError);
    assert.deepEqual(await groupOf(WELL, WELL).get({ timeout: 0 }), [7, 7]);
    const [, error] = (await groupOf(WELL, BADLY).get({ timeout: 0, propagate: false })) as unknown[];
    assert.ok(error instanceof TaskFailedError);
  });

  it('is a list of its members, and of their ends for those who wait', async () => {
    const group = groupOf(BADLY, WELL);
    assert.deepEqual([...group], [...group.results]);
    const ends: unknown[] = [];
    for await (const { index, id, state, result } of group) ends.push([index, id, state, result]);
    assert.deepEqual(ends, [
      [0, 'm0', 'FAILURE', group.results[0]],
      [1, 'm1', 'SUCCESS', group.results[1]],
    ]);
  });

  it('tells whether somebody is still waited for, and the first error without waiting', async () => {
    const retrying = { failedReason: 'Error: again', retries: 1 };
    assert.deepEqual(
      [await groupOf(WELL, {}).waiting(), await groupOf(WELL, BADLY).waiting()],
      [true, false],
    );
    assert.equal(await groupOf(WELL, {}, retrying).firstError(), undefined);
    const error = await groupOf({}, BADLY, BADLY).firstError();
    assert.ok(error instanceof TaskFailedError);
    assert.equal(error.taskId, 'm1');
  });

  it('is followed no longer than whoever follows it wants', async () => {
    const controller = new AbortController();
    const group = groupOf(WELL, {});
    const seen: number[] = [];
    const following = (async () => {
      for await (const { index } of group.updates({ signal: controller.signal })) {
        seen.push(index);
        controller.abort(new Error('enough'));
      }
    })();
    await assert.rejects(following, /enough/);
    assert.deepEqual(seen, [0]);
  });

  it('is JSON that says what its members come after once', () => {
    const { id, results } = groupOf(WELL, WELL).toJSON();
    assert.deepEqual([id, results.map((one) => one.id)], ['group', ['m0', 'm1']]);
    assert.ok(!('parent' in groupOf(WELL).toJSON()));
  });
});

describe('A group without members', () => {
  it('has ended well, with nothing, and no broker is asked', async () => {
    const empty = GroupResult.empty();
    assert.deepEqual([await empty.get(), await empty.get({ timeout: 0 }), [...empty]], [[], [], []]);
    assert.deepEqual([await empty.waiting(), await empty.firstError()], [false, undefined]);
    assert.deepEqual(
      [await empty.ready(), await empty.successful(), await empty.failed()],
      [true, true, false],
    );
    assert.deepEqual(await empty.revoke(), { found: false, was: undefined });
    await empty.forget();
    for await (const _ of empty.updates()) assert.fail('nobody ends');
  });

  it('is known by its id', () => {
    assert.deepEqual(
      [GroupResult.isEmpty(GroupResult.empty().id), GroupResult.isEmpty('group')],
      [true, false],
    );
  });
});
