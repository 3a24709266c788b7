/** Options in workflows: of each member, of the whole, and what limits and keys of tasks mean there. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chain, chord, DuplicateTaskError, type GroupResult, group, TaskRevokedError } from 'celeriac';
import { gate, onEveryEngine, rejection, until } from '../support/app.js';
import { flowTasks, Notes, noteTask } from '../support/flow-tasks.js';

const SOON = { timeout: '20s' } as const;

/** `false` for a call that is refused as a duplicate. */
async function orNothing<R>(call: Promise<R>): Promise<R | false> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof DuplicateTaskError) return false;
    throw error;
  }
}

describe('options in workflows', () => {
  onEveryEngine((ground) => {
    it('are those of each member: queue, priority, headers, retries, limits', async (t) => {
      const { app, worker } = ground.app(t);
      const began: string[] = [];
      const tell = app.task('tell', async function (who: string) {
        began.push(who);
        const { queue, priority, headers, timeLimit } = this.request;
        return { who, queue, priority, headers, timeLimit };
      });
      const never = app.task('never', { autoretryFor: true, defaultRetryDelay: 1 }, async function () {
        throw new Error(`attempt ${this.request.retries}`);
      });
      const list = app.task('list', async (places: object[]) => places);
      const result = await chord(
        [
          tell.s('late').set({ priority: 9 }),
          tell.s('soon').set({ priority: 2, headers: { tenant: 'a' } }),
          tell.s('now').set({ timeLimit: '1m' }),
          tell.s('there').set({ queue: 'other' }),
        ],
        list.s().set({ priority: 4, headers: { tenant: 'b' } }),
      ).delay();
      assert.deepEqual((await result.snapshot()).headers, { tenant: 'b' });
      await worker({ queues: ['celeriac', 'other'], concurrency: 1 });
      assert.deepEqual(await result.get(SOON), [
        { who: 'late', queue: 'celeriac', priority: 9, headers: {} },
        { who: 'soon', queue: 'celeriac', priority: 2, headers: { tenant: 'a' } },
        { who: 'now', queue: 'celeriac', priority: 0, headers: {}, timeLimit: 60_000 },
        { who: 'there', queue: 'other', priority: 0, headers: {} },
      ]);
      assert.deepEqual(
        began.filter((who) => who !== 'there'),
        ['now', 'soon', 'late'],
      );
      const failing = await chain(tell.s('first'), never.si().set({ maxRetries: 1 })).delay();
      assert.equal(((await rejection(failing.get(SOON))).cause as Error).message, 'attempt 1');
    });

    it('of the whole: delay and queue for what begins, id for the last, the rest for all', async (t) => {
      const { app, worker } = ground.app(t);
      const tell = app.task('tell', async function (_before: unknown = undefined) {
        const { queue, priority, headers, eta } = this.request;
        return { queue, priority, headers, delayed: eta !== undefined };
      });
      const pair = app.task('pair', async function (before: object[]) {
        const { id, queue, priority, headers, eta } = this.request;
        return [...before, { id, queue, priority, headers, delayed: eta !== undefined }];
      });
      await worker({ queues: ['celeriac', 'other'] });
      const options = { queue: 'other', countdown: 100, priority: 3, headers: { a: 1 }, taskId: 'whole' };
      const result = await chain(group(tell.s(), chain(tell.s(), tell.s())), pair.s()).applyAsync(
        [],
        options,
      );
      const rest = { priority: 3, headers: { a: 1 } };
      assert.deepEqual(await result.get(SOON), [
        { queue: 'other', ...rest, delayed: true },
        { queue: 'celeriac', ...rest, delayed: false },
        { id: 'whole', queue: 'celeriac', ...rest, delayed: false },
      ]);
    });

    it('count delays and expiry from when a step’s turn comes, moments as they are', async (t) => {
      const { app, worker } = ground.app(t);
      const { five } = flowTasks(app);
      const open = gate();
      const hold = app.task('hold', async () => {
        await open.opened;
        return 1;
      });
      const when = app.task('when', async function (_before: unknown) {
        const { sentAt, expires } = this.request;
        const leftMs = (expires?.getTime() ?? 0) - (sentAt?.getTime() ?? 0);
        return { sentAt: sentAt?.getTime() ?? 0, ranAt: Date.now(), leftMs };
      });
      await worker();
      const delayed = await chain(hold.s(), when.s().set({ countdown: 300, expires: '1m' })).delay();
      const short = await chain(hold.s(), when.s().set({ expires: '30s' })).delay();
      const eta = new Date(Date.now() + 600);
      const planned = await chain(five.s(), when.s().set({ eta })).delay();
      const late = await chain(
        hold.s(),
        when.s().set({ expires: new Date(Date.now() + 50) }),
        five.si(),
      ).delay();
      await until(() => Date.now() > eta.getTime(), 'the moment');
      open.open();
      const { sentAt, ranAt } = await delayed.get(SOON);
      assert.ok(ranAt - sentAt >= 300, `${ranAt - sentAt} ms`);
      assert.equal((await short.get(SOON)).leftMs, 30_000);
      assert.ok((await planned.get(SOON)).ranAt >= eta.getTime());
      const error = await rejection(late.get(SOON));
      assert.ok(error.cause instanceof TaskRevokedError);
      assert.deepEqual(
        [await (late.parent as typeof late).status, await late.status],
        ['REVOKED', 'FAILURE'],
      );
    });

    it('hold rates and concurrency: members wait for their turns, the body for all of them', async (t) => {
      const { app, worker } = ground.app(t);
      const { sum } = flowTasks(app);
      let [at, most] = [0, 0];
      const one = app.task('one', { concurrency: { limit: 2 } }, async (n: number) => {
        most = Math.max(most, ++at);
        await new Promise((resolve) => setTimeout(resolve, 20));
        at--;
        return n;
      });
      const starts: number[] = [];
      const slow = app.task('slow', { rateLimit: '10/s' }, async (n: number) => {
        starts.push(Date.now());
        return n;
      });
      await worker();
      const members = Array.from({ length: 12 }, (_, i) => i);
      const [limited, rated] = await Promise.all([
        chord(
          members.map((n) => one.s(n)),
          sum.s(),
        ).delay(),
        chain(group(members.map((n) => chain(slow.s(n), slow.s()))), sum.s()).delay(),
      ]);
      assert.deepEqual([await limited.get(SOON), await rated.get(SOON)], [66, 66]);
      assert.ok(most <= 2, `${most} at once`);
      // 24 starts, 10 in any second: two seconds at least, of which the first may have come late by one.
      assert.ok((starts.at(-1) ?? 0) - (starts[0] ?? 0) > 1_000);
    });

    it('guard the calls of unique tasks, with callbacks too, and let members of workflows be', async (t) => {
      const { app, worker } = ground.app(t);
      const { sum } = flowTasks(app);
      const [notes, open] = [new Notes(), gate()];
      const note = noteTask(app, notes);
      const one = app.task('one', { unique: { mode: 'reject' } }, async (n: number) => {
        await open.opened;
        return n;
      });
      await worker();
      const held = await one.applyAsync([7], { link: note.s('link') });
      const error = await rejection(one.applyAsync([7], { link: note.s('twice') }));
      assert.ok(error instanceof DuplicateTaskError);
      assert.equal(error.taskId, held.id);
      assert.ok((await rejection(one.delay(7))) instanceof DuplicateTaskError);
      const same = await one.applyAsync([7], { link: note.s('x'), unique: { mode: 'return' } });
      assert.equal(same.id, held.id);
      const members = await chord([one.s(7), one.s(7)], sum.s()).delay();
      open.open();
      assert.deepEqual([await held.get(SOON), await members.get(SOON)], [7, 14]);
      assert.deepEqual(await notes.first(1), ['["link",7]']);
      const again = await until(
        () => orNothing(one.applyAsync([7], { link: note.s('again') })),
        'a free key',
      );
      assert.ok(again !== false);
      assert.equal(await again.get(SOON), 7);
    });

    it('may be a caller’s own ids anywhere, each once, and free again when the records have gone', async (t) => {
      const { app, worker } = ground.app(t, { resultExpires: '1s' });
      const { five, add, sum } = flowTasks(app);
      await worker();
      const ids = ['a step', '12', 'invoice20240-1.0', 'invoice20240-1.5', 'ü/:@%'];
      const [first, second, third, fourth, fifth] = ids;
      const sign = (taskId: string | undefined) => (taskId === undefined ? {} : { taskId });
      const flow = chain(
        five.s().set(sign(first)),
        group(add.s(1).set(sign(second)), chain(add.s(1), add.s(1).set(sign(third)))),
        sum.s().set(sign(fourth)),
      ).link(add.s(1).set(sign(fifth)));
      const result = await flow.delay();
      assert.equal(result.id, fourth);
      assert.deepEqual(await Promise.all(ids.map((id) => app.result(id).get(SOON))), [5, 6, 7, 13, 14]);
      assert.ok((await rejection(flow.delay())) instanceof DuplicateTaskError);
      const plain = await five.applyAsync([], { taskId: 'production20-1.0' });
      assert.deepEqual([plain.id, await app.result('production20-1.0').get(SOON)], ['production20-1.0', 5]);
      const twins = chain(five.s().set({ taskId: 'twin' }), add.s(1).set({ taskId: 'twin' }));
      assert.ok((await rejection(twins.delay())) instanceof DuplicateTaskError);
      assert.equal(await app.result('twin').exists(), false);
      const again = await until(() => orNothing(flow.delay()), 'free ids');
      assert.ok(again !== false);
      assert.equal(await again.get(SOON), 13);
    });

    it('give arguments in front to what begins, but to nothing that takes none', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, sum } = flowTasks(app);
      await worker();
      const members = [add.s(2), add.si(1, 1), chain(add.s(3), add.s(1))];
      assert.deepEqual(await (await group(members).applyAsync([10])).get(SOON), [12, 2, 14]);
      assert.equal(await (await chord(members, sum.s()).applyAsync([10])).get(SOON), 28);
      const header = (await chain(group(members).clone([10]), sum.s()).applyAsync()).parent as GroupResult;
      assert.deepEqual(await header.get(SOON), [12, 2, 14]);
    });
  });
});
