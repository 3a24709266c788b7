/**
 * What the contract says of AsyncResult, member by member: asked where the task was sent, in another app that has its id
 * or its JSON, and in another process.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AppClosedError,
  AsyncResult,
  CeleriacError,
  chain,
  GroupResult,
  group,
  Ignore,
  isCeleriacError,
  OptionError,
  ResultTimeoutError,
  TaskFailedError,
  TaskRevokedError,
  UnknownTaskError,
  type Update,
} from 'celeriac';
import { partsOf } from '#src/app.js';
import { gate, onEveryEngine, rejection, until } from '../support/app.js';

const SOON = { timeout: '20s' } as const;
const MEMBERS = [
  'id',
  'name',
  'state',
  'known',
  'meta',
  'value',
  'error',
  'args',
  'queue',
  'worker',
  'retries',
  'deliveries',
  'rootId',
  'parentId',
  'sentAt',
  'startedAt',
  'doneAt',
  'headers',
  'tags',
  'steps',
];

describe('A result by the contract', () => {
  onEveryEngine((ground) => {
    it('has in every state the members named, and the sugar says the same', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const opened = gate();
      const task = app.task('stages', { defaultRetryDelay: '2s', retryBackoff: false }, async function () {
        if (this.request.retries === 0) this.retry({ error: new RangeError('not yet') });
        await this.updateState('HALF', { way: 0.5 });
        await opened.opened;
        return { all: 'done' };
      });
      const sent = await task.delay();
      const result = twin().result(sent.id);
      const look = async (state: string) => {
        const snapshot = await until(async () => {
          const now = await result.snapshot();
          return now.state === state && now;
        }, state);
        assert.ok(snapshot !== false);
        assert.deepEqual(Object.keys(snapshot), MEMBERS);
        assert.deepEqual([await result.status, await result.state], [state, state]);
        assert.deepEqual(await result.result, await result.info);
        assert.deepEqual([snapshot.id, snapshot.known], [sent.id, true]);
        return snapshot;
      };
      await look('PENDING');
      assert.deepEqual(
        [await result.result, await result.traceback, await result.dateDone],
        [undefined, undefined, undefined],
      );
      await worker();
      const retry = await look('RETRY');
      assert.ok(retry.error instanceof RangeError);
      assert.equal(retry.error.message, 'not yet');
      assert.match((await result.traceback) ?? '', /^RangeError: not yet\n/);
      assert.deepEqual([retry.retries, retry.doneAt, await result.ready()], [1, undefined, false]);
      const half = await look('HALF');
      assert.deepEqual([half.meta, await result.result, half.error], [{ way: 0.5 }, { way: 0.5 }, undefined]);
      opened.open();
      assert.deepEqual(await sent.get(SOON), { all: 'done' });
      const done = await look('SUCCESS');
      assert.deepEqual([done.value, await result.result], [{ all: 'done' }, { all: 'done' }]);
      assert.deepEqual(await result.dateDone, done.doneAt);
      assert.deepEqual(
        [await result.ready(), await result.successful(), await result.failed(), await result.exists()],
        [true, true, false, true],
      );
    });

    it('gives REVOKED as TaskRevokedError: thrown, returned, as `result`; with no stack of anybody’s', async (t) => {
      const { app, twin } = ground.app(t);
      const sent = await app.sendTask('nobody-runs-it');
      assert.deepEqual(await sent.revoke({ reason: 'as a test' }), { found: true, was: 'PENDING' });
      const result = twin().result(sent.toJSON());
      const thrown = await rejection(result.get(SOON));
      assert.ok(thrown instanceof TaskRevokedError);
      assert.deepEqual([thrown.taskId, thrown.reason, thrown.code], [sent.id, 'as a test', 'TASK_REVOKED']);
      assert.equal(String(await result.get({ propagate: false })), String(thrown));
      assert.equal(String(await result.result), String(thrown));
      assert.equal(await result.traceback, undefined);
      assert.deepEqual(
        [await result.ready(), await result.failed(), await result.successful()],
        [true, false, false],
      );
      assert.deepEqual(await result.revoke(), { found: true, was: 'REVOKED' });
    });

    it('is unknown at once, in every way of asking, when it was never sent or is forgotten', async (t) => {
      const { app, worker } = ground.app(t);
      await worker();
      const forgotten = await app.task('x', () => 1).delay();
      await forgotten.get(SOON);
      await forgotten.forget();
      for (const result of [app.result('never'), app.result('abcdefghijkl-0@q'), forgotten]) {
        for (const ask of [
          () => result.get(),
          () => result.get({ propagate: false }),
          () => result.get({ onUpdate: () => undefined }),
          () => result.updates().next(),
        ]) {
          const error = await rejection(ask());
          assert.ok(error instanceof UnknownTaskError, `${ask}: ${error}`);
          assert.ok(isCeleriacError(error, 'UNKNOWN_TASK'));
          assert.equal(error.taskId, result.id);
        }
        const { state, known } = await result.snapshot();
        assert.deepEqual(
          [state, known, await result.exists(), await result.ready()],
          ['PENDING', false, false, false],
        );
        assert.deepEqual(await result.children, []);
        await result.forget();
      }
      assert.deepEqual(await app.result('never').revoke(), { found: false, was: undefined });
      await assert.rejects(app.result('never').graph(), UnknownTaskError);
    });

    it('is undefined for Ignore, whoever asks and whenever, and nothing else that is gone is', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const opened = gate();
      const ignores = app.task('ignores', async () => {
        await opened.opened;
        throw new Ignore();
      });
      const keeps = app.task('keeps', () => 'kept');
      const [sent, kept] = [await ignores.delay(), await keeps.delay()];
      const elsewhere = twin();
      const waits = [sent.get(SOON), elsewhere.result(sent.id).get(SOON)];
      const told: Update[] = [];
      waits.push(elsewhere.result(sent.id).get({ ...SOON, onUpdate: (update) => told.push(update) }));
      await until(() => told.length > 0, 'an update');
      await worker();
      opened.open();
      assert.deepEqual(await Promise.all(waits), [undefined, undefined, undefined]);
      assert.ok(told.every(({ state }) => state === 'PENDING' || state === 'STARTED'));
      assert.equal(await sent.get(SOON), undefined);
      assert.equal(await twin().result(sent.id).get(SOON), undefined);
      assert.deepEqual([await sent.exists(), await sent.status], [false, 'PENDING']);
      assert.equal(await kept.get(SOON), 'kept');
      await kept.forget();
      await assert.rejects(kept.get(SOON), UnknownTaskError);
    });

    it('is no value but an error when its record goes away under the wait', async (t) => {
      const { app, twin } = ground.app(t);
      const sent = await app.sendTask('nobody-runs-it', [], { queue: 'lost' });
      const waits = [rejection(sent.get(SOON)), rejection(twin().result(sent.id).get(SOON))];
      await until(async () => (await sent.status) === 'PENDING', 'the task');
      // What a failover may do: the job was never written where the new master is.
      const backend = await partsOf(app).engine.backend('lost');
      await backend.remove(sent.id, false);
      for (const error of await Promise.all(waits))
        assert.ok(error instanceof UnknownTaskError, String(error));
    });

    it('refuses what it does not know, and wrong durations, at the call', async (t) => {
      const { app } = ground.app(t);
      const sent = await app.sendTask('nobody-runs-it');
      const wrong: [() => unknown, RegExp][] = [
        [() => sent.get({ timeOut: 10 } as object), /unknown option "timeOut".*"timeout"/],
        [() => sent.get({ timeout: '10' }), /"10" is not a duration/],
        [() => sent.get({ timeout: -1 }), /-1 is negative/],
        [() => sent.updates({ timeout: 1 } as object).next(), /unknown option "timeout"/],
        [() => sent.revoke({ terminat: true } as object), /"terminate"/],
        [async () => app.result(''), /give a task id/],
        [async () => app.result({} as never), /give a task id/],
        [() => app.groupResult({} as never), /give the id of a group/],
      ];
      for (const [call, text] of wrong) {
        const error = await rejection(call() as Promise<unknown>);
        assert.ok(error instanceof OptionError, `${call}: ${error}`);
        assert.match(error.message, text);
      }
      const late = await rejection(sent.get({ timeout: '20ms' }));
      assert.ok(late instanceof ResultTimeoutError);
      assert.deepEqual([late.taskId, late.timeoutMs, late.code], [sent.id, 20, 'RESULT_TIMEOUT']);
    });

    it('refuses to be waited for inside a task, also through onUpdate and a group', async (t) => {
      const { app, worker } = ground.app(t);
      const one = app.task('one', () => 1);
      const waits = app.task('waits', async (how: string) => {
        const sent = await one.delay();
        if (how === 'group') return (await group(one.s(), one.s()).delay()).get(SOON);
        return sent.get(how === 'allowed' ? { ...SOON, allowJoin: true } : { onUpdate: () => undefined });
      });
      await worker();
      for (const how of ['onUpdate', 'group']) {
        const error = await rejection((await waits.delay(how)).get(SOON));
        assert.ok(error instanceof TaskFailedError);
        assert.ok(error.cause instanceof CeleriacError);
        assert.match(error.cause.message, /inside a running task.*allowJoin/);
      }
      assert.equal(await (await waits.delay('allowed')).get(SOON), 1);
    });

    it('goes through JSON with what it came after', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const add = app.task('add', (a: number, b: number) => a + b);
      const sum = app.task('sum', (list: number[]) => list.reduce((a, b) => a + b));
      const sent = await chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()).delay();
      const json = JSON.stringify(sent);
      const again = twin().result<number>(JSON.parse(json));
      assert.equal(JSON.stringify(again), json);
      const header = again.parent;
      assert.ok(header instanceof GroupResult);
      const first = header.parent;
      assert.ok(first instanceof AsyncResult);
      await worker();
      assert.deepEqual(
        [await again.get(SOON), await header.get(SOON), await first.get(SOON)],
        [7, [3, 4], 2],
      );
      assert.deepEqual(
        (await first.children).map(({ id }) => id),
        [header.id],
      );
      assert.deepEqual(
        await Promise.all(header.results.map(async (member) => (await member.children).map(({ id }) => id))),
        [[sent.id], [sent.id]],
      );
      assert.equal((await twin().groupResult(JSON.parse(JSON.stringify(header)))).length, 2);
    });

    it('ends its updates at once when the app closes, and leaves them when it is told to', async (t) => {
      const { app, twin } = ground.app(t);
      const sent = await app.sendTask('nobody-runs-it');
      const elsewhere = twin();
      const follow = async (result: AsyncResult, signal?: AbortSignal) => {
        const states: string[] = [];
        for await (const { state } of result.updates(signal && { signal })) states.push(state);
        return states;
      };
      const leaves = new AbortController();
      const ends = [rejection(follow(sent)), rejection(follow(elsewhere.result(sent.id), leaves.signal))];
      await until(async () => (await sent.status) === 'PENDING', 'the task');
      const why = new Error('seen enough');
      leaves.abort(why);
      assert.equal(await ends[1], why);
      await app.close();
      assert.ok((await ends[0]) instanceof AppClosedError);
    });
  });
});
