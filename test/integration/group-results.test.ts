/** What the contract says of GroupResult, member by member: where the group was sent, and in an app that has its id. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AsyncResult,
  type Celeriac,
  chain,
  chord,
  GroupResult,
  type GroupUpdate,
  group,
  Ignore,
  ResultTimeoutError,
  TaskFailedError,
  TaskRevokedError,
  UnknownTaskError,
} from 'celeriac';
import { gate, onEveryEngine, rejection } from '../support/app.js';

const SOON = { timeout: '20s' } as const;

function tasks(app: Celeriac) {
  return {
    add: app.task('add', (a: number, b: number) => a + b),
    fail: app.task('fail', (message: string): number => {
      throw new RangeError(message);
    }),
    nothing: app.task('nothing', (_n?: number): void => undefined),
    show: app.task('show', (list: unknown[]) => list.map((each) => typeof each).join(' ')),
  };
}

/** What the short questions say. */
async function told(result: GroupResult<unknown>): Promise<unknown[]> {
  return [
    result.length,
    await result.ready(),
    await result.successful(),
    await result.failed(),
    await result.completedCount(),
  ];
}

async function all(result: GroupResult<unknown>): Promise<GroupUpdate[]> {
  const updates: GroupUpdate[] = [];
  for await (const update of result.updates()) updates.push(update);
  return updates;
}

describe('The result of a group by the contract', () => {
  onEveryEngine((ground) => {
    it('counts its members as they end, gives their values in order, and is restored from its id', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const opened = gate();
      const slow = app.task('slow', async (n: number) => {
        await opened.opened;
        return n;
      });
      const { add } = tasks(app);
      const result = await group(slow.s(1), add.s(1, 1), slow.s(3)).delay();
      const there = await twin().groupResult(result.id);
      for (const each of [result, there]) assert.deepEqual(await told(each), [3, false, false, false, 0]);
      assert.deepEqual(
        there.results.map(({ id }) => id),
        result.results.map(({ id }) => id),
      );
      const updates = there.updates();
      await worker();
      const first = (await updates.next()).value as GroupUpdate;
      assert.deepEqual([first.index, first.state, first.id], [1, 'SUCCESS', result.results[1]?.id]);
      assert.equal(await first.result.get(SOON), 2);
      for (const each of [result, there]) assert.deepEqual(await told(each), [3, false, false, false, 1]);
      const late = await rejection(result.get({ timeout: 30 }));
      assert.ok(late instanceof ResultTimeoutError);
      opened.open();
      assert.deepEqual(await result.get(SOON), [1, 2, 3]);
      assert.deepEqual(await there.get(SOON), [1, 2, 3]);
      for (const each of [result, there]) assert.deepEqual(await told(each), [3, true, true, false, 3]);
      const rest: number[] = [];
      for await (const { index } of updates) rest.push(index);
      assert.deepEqual(rest.sort(), [0, 2]);
    });

    it('throws for a member that failed, or gives its error in its place', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, fail } = tasks(app);
      await worker();
      const result = await group(add.s(1, 1), fail.s('broken'), add.s(2, 2)).delay();
      const thrown = await rejection(result.get(SOON));
      assert.ok(thrown instanceof TaskFailedError);
      assert.ok(thrown.cause instanceof RangeError);
      assert.deepEqual([thrown.taskId, thrown.taskName], [result.results[1]?.id, 'fail']);
      const given = await result.get({ ...SOON, propagate: false });
      assert.deepEqual([given[0], given[2]], [2, 4]);
      assert.ok((given[1] as unknown) instanceof TaskFailedError);
      assert.deepEqual(await told(result), [3, true, false, true, 2]);
      assert.equal((await result.firstError())?.message, thrown.message);
      await assert.rejects(result.get({ timeout: 0 }), TaskFailedError);
      assert.deepEqual(
        (await all(result)).map(({ index, state }) => `${index} ${state}`),
        ['0 SUCCESS', '1 FAILURE', '2 SUCCESS'],
      );
    });

    it('keeps the places of members that give nothing: of a group, a chord’s header, and of many items', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, nothing, show } = tasks(app);
      const ignored = app.task('ignored', (): number => {
        throw new Ignore();
      });
      const unstarted = await nothing.map([1, 2]).delay();
      assert.equal(await unstarted.result, undefined);
      await worker();
      const one = add.si(1, 1);
      assert.deepEqual(await (await group(nothing.si(), one, ignored.s()).delay()).get(SOON), [
        undefined,
        2,
        undefined,
      ]);
      assert.deepEqual(await (await group(nothing.si(), nothing.si()).delay()).get(SOON), [
        undefined,
        undefined,
      ]);
      const deep = chain(one, group(nothing.si(), chain(one, group(one, nothing.si()))));
      assert.deepEqual(await (await deep.delay()).get(SOON), [undefined, [2, undefined]]);
      assert.equal(await (await chord([nothing.si(), one], show.s()).delay()).get(SOON), 'undefined number');
      assert.deepEqual(await (await nothing.map([1, 2, 3]).delay()).get(SOON), [
        undefined,
        undefined,
        undefined,
      ]);
      assert.deepEqual(await (await nothing.chunks([1, 2, 3], 2).delay()).get(SOON), [
        [undefined, undefined],
        [undefined],
      ]);
    });

    it('leads to the values of all that begins after it', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, show } = tasks(app);
      await worker();
      const last = await chain(add.s(1, 2), group(add.s(10), add.s(20)), show.s()).delay();
      const header = last.parent as GroupResult;
      const first = header.parent as AsyncResult;
      const walk: unknown[] = [];
      for await (const [result, value] of first.collect(SOON)) walk.push([result.id, value]);
      assert.deepEqual(walk.slice(0, 2), [
        [first.id, 3],
        [header.id, [13, 23]],
      ]);
      const ends = new Map(walk.slice(2) as [string, unknown][]);
      const [one, other] = [...header].map(({ id }) => ends.get(id));
      assert.deepEqual([one, other, ends.get(last.id), ends.size], [13, 23, 'number number', 3]);
    });

    it('is not bound by the size that one payload may have', async (t) => {
      const { app, worker } = ground.app(t, { maxPayloadBytes: 1_000 });
      const text = app.task('text', (n: number) => 'x'.repeat(n));
      await worker();
      const result = await group(Array.from({ length: 10 }, () => text.s(900))).delay();
      assert.equal((await result.get(SOON)).join('').length, 9_000);
    });

    it('revokes and forgets its members, all of them', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const { add } = tasks(app);
      const late = await group(add.s(1, 1), add.s(2, 2)).applyAsync([], { countdown: '1h' });
      assert.deepEqual(await late.revoke({ reason: 'as a test' }), { found: true, was: 'PENDING' });
      const thrown = await rejection(late.get(SOON));
      assert.ok(thrown instanceof TaskRevokedError);
      assert.equal(thrown.reason, 'as a test');
      for (const error of await late.get({ ...SOON, propagate: false }))
        assert.ok((error as unknown) instanceof TaskRevokedError);
      assert.deepEqual(await told(late), [2, true, false, true, 0]);
      await worker();
      const ended = await group(add.s(1, 1), add.s(2, 2)).delay();
      await ended.get(SOON);
      await ended.forget();
      await assert.rejects(ended.get(SOON), UnknownTaskError);
      await assert.rejects(twin().groupResult(ended.id), UnknownTaskError);
      await assert.rejects(twin().groupResult('never'), UnknownTaskError);
      for (const member of ended.results) assert.equal(await member.exists(), false);
    });

    it('is made of any results, too', async (t) => {
      const { app, worker } = ground.app(t);
      const { add } = tasks(app);
      const later = { countdown: '1h' } as const;
      const late = GroupResult.of([await add.applyAsync([1, 1], later), await add.applyAsync([2, 2], later)]);
      assert.deepEqual(await late.revoke(), { found: true, was: 'PENDING' });
      assert.deepEqual(await told(late), [2, true, false, true, 0]);
      await worker();
      const sums = GroupResult.of(await Promise.all([add.delay(1, 1), add.delay(2, 2)]));
      assert.deepEqual(await sums.get(SOON), [2, 4]);
      assert.deepEqual(
        (await all(sums)).map(({ index }) => index),
        [0, 1],
      );
      await sums.forget();
      await assert.rejects(sums.get(SOON), UnknownTaskError);
    });

    it('of nobody has ended', async (t) => {
      const { app } = ground.app(t);
      assert.ok(app);
      const nobody = await group([]).delay();
      assert.deepEqual(await nobody.get(SOON), []);
      assert.deepEqual(await told(nobody), [0, true, true, false, 0]);
      assert.deepEqual(await all(nobody), []);
    });
  });
});

describe('The updates of a large group', { timeout: 240_000 }, () => {
  onEveryEngine(
    (ground) => {
      it('come once each, at a cost that grows with its members only, and look like no leak', async (t) => {
        const { app, worker } = ground.app(t);
        const { add } = tasks(app);
        const warnings: Error[] = [];
        const warned = (warning: Error) => void warnings.push(warning);
        process.on('warning', warned);
        t.after(() => process.off('warning', warned));
        // PostgreSQL takes far longer to run them; what asks for their updates does the same.
        const count = ground.engine === 'postgres' ? 1_000 : 3_000;
        const result = await group(Array.from({ length: count }, (_, n) => add.s(n, 0))).delay();
        await worker({ concurrency: 50 });
        await result.get({ timeout: '2m' });
        const before = process.cpuUsage();
        const seen = (await all(result)).map(({ index }) => index);
        const { user, system } = process.cpuUsage(before);
        t.diagnostic(`${count} members that have ended: ${Math.round((user + system) / 1000)} ms of CPU`);
        assert.deepEqual(
          seen.sort((a, b) => a - b),
          Array.from({ length: count }, (_, n) => n),
        );
        assert.deepEqual(warnings, []);
      });
    },
    ['redis', 'postgres'],
  );
});
