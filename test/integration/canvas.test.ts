import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Celeriac,
  ChordError,
  type Composable,
  chain,
  chord,
  GroupResult,
  group,
  TaskFailedError,
  TaskRevokedError,
} from 'celeriac';
import { gate, onEveryEngine, rejection, until, within } from '../support/app.js';

function tasks(app: Celeriac) {
  return {
    add: app.task('add', async (a: number, b: number) => a + b),
    double: app.task('double', async (a: number) => a * 2),
    sum: app.task('sum', async (list: number[]) => list.reduce((total, n) => total + n, 0)),
    show: app.task('show', async (value: unknown) => JSON.stringify(value)),
    five: app.task('five', async () => 5),
    fail: app.task('fail', async (message: unknown): Promise<number> => {
      throw new RangeError(String(message));
    }),
  };
}

const SOON = { timeout: '20s' } as const;

describe('workflows', () => {
  onEveryEngine((ground) => {
    it('give each shape its value', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, double, sum, show, five } = tasks(app);
      await worker();
      const shapes: [string, { applyAsync(): Promise<{ get(o: object): Promise<unknown> }> }, unknown][] = [
        ['a chain', chain(add.s(1, 2), double.s(), add.s(4)), 10],
        ['a chain of one', chain(add.s(1, 2)), 3],
        ['an immutable step', chain(add.s(1, 2), five.si(), add.s(1)), 6],
        ['a chain in a chain', chain(add.s(1, 1), chain(add.s(1), double.s()), add.s(1)), 7],
        ['a group', group(add.s(1, 1), add.s(2, 2)), [2, 4]],
        ['a group of one', group(add.s(1, 1)), [2]],
        ['a group of chains', group(chain(add.s(1, 1), double.s()), five.s()), [4, 5]],
        ['a group in a group', group(add.s(1, 1), group(add.s(2, 2), add.s(3, 3))), [2, 4, 6]],
        ['a chain that ends in a group', chain(add.s(1, 1), group(add.s(1), add.s(2))), [3, 4]],
        ['a chain that ends in a group of one', chain(add.s(1, 1), group(add.s(1))), [3]],
        ['a group in the middle', chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()), 7],
        ['a group of one in the middle', chain(add.s(1, 1), group(add.s(1)), show.s()), '[3]'],
        ['a group first', chain(group(add.s(1, 1), add.s(2, 2)), sum.s(), double.s()), 12],
        ['a group after a group', chain(group(five.s(), five.s()), group(sum.s(), show.s())), [10, '[5,5]']],
        ['a chord', chord([add.s(1, 1), add.s(2, 2)], sum.s()), 6],
        ['a chord of a group', chord(group(add.s(1, 1), add.s(2, 2)), sum.s()), 6],
        ['a chord of one', chord([add.s(1, 1)], show.s()), '[2]'],
        ['an empty header', chord([], show.s()), '[]'],
        ['an empty group first', chain(group([]), show.s()), '[]'],
        ['an empty group in the middle', chain(five.s(), group([]), show.s()), '[]'],
        ['an empty group last', chain(five.s(), group([])), []],
        ['a chord of chains', chord([chain(add.s(1, 1), double.s()), five.s()], sum.s()), 9],
        [
          'a chain of chords',
          chain(chord([five.s(), five.s()], sum.s()), chord([add.s(1), add.s(2)], sum.s())),
          23,
        ],
        [
          'a chord as a chord’s body',
          chord([five.s(), five.s()], chord([sum.s(), sum.s()], show.s())),
          '[10,10]',
        ],
        ['a chain as a chord’s body', chord([five.s(), five.s()], chain(sum.s(), double.s())), 20],
        ['a group as a chord’s body', chord([five.s(), five.s()], group(sum.s(), show.s())), [10, '[5,5]']],
        ['a group in a chain in a group', group(chain(five.s(), group(add.s(1), add.s(2)))), [[6, 7]]],
        ['a chord in a group', group(chord([five.s()], sum.s()), five.s()), [5, 5]],
        ['what JSON cannot say', chain(app.task('nothing', () => undefined).s(), show.s()), undefined],
      ];
      const results = await Promise.all(shapes.map(([, shape]) => shape.applyAsync()));
      for (const [i, [name, , value]] of shapes.entries())
        assert.deepEqual(await results[i]?.get(SOON), value, name);
    });

    it('become JSON and back, in another process', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const { add, sum, double } = tasks(app);
      await worker();
      const flow = chain(add.s(1, 1), group(add.s(1), chain(add.s(2), double.s())), sum.s()).link(
        sum.si([1]),
      );
      const json = JSON.parse(JSON.stringify(flow)) as never;
      const other = twin();
      const again = other.signature(json);
      assert.deepEqual(JSON.parse(JSON.stringify(again)), json);
      assert.equal(await (await again.delay()).get(SOON), 11);
    });

    it('know all ids at once, and every part from any process by its id', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const { add, sum } = tasks(app);
      const result = await chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()).delay();
      const other = twin();
      const whole = other.result<number>(result.id);
      assert.deepEqual([await whole.status, await whole.exists()], ['PENDING', true]);
      assert.equal((await whole.snapshot()).name, 'sum');
      assert.ok(result.parent instanceof GroupResult);
      assert.equal(result.parent.length, 2);
      const [first] = result.parent.results;
      assert.equal(first?.parent?.id, result.parent.parent?.id);
      assert.equal(await other.result(first?.id ?? '').exists(), true);
      const restored = await other.groupResult(result.parent.id);
      assert.deepEqual(
        restored.results.map(({ id }) => id),
        result.parent.results.map(({ id }) => id),
      );
      assert.equal(await restored.ready(), false);
      await worker();
      assert.equal(await whole.get(SOON), 7);
      assert.deepEqual(await restored.get(SOON), [3, 4]);
      assert.deepEqual(
        [await restored.ready(), await restored.successful(), await restored.completedCount()],
        [true, true, 2],
      );
      const { nodes, edges } = await whole.graph();
      assert.deepEqual(nodes.map(({ name, state }) => `${name} ${state}`).sort(), [
        'add SUCCESS',
        'add SUCCESS',
        'add SUCCESS',
        'sum SUCCESS',
      ]);
      assert.equal(edges.length, 4);
    });

    it('fail the rest of a chain at once with the original cause, and run none of it', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, fail, show } = tasks(app);
      const ran: string[] = [];
      const late = app.task('late', async (value: unknown) => void ran.push(String(value)));
      await worker();
      const result = await chain(add.s(1, 1), fail.s(), late.s(), show.s()).delay();
      const error = await rejection(result.get(SOON));
      assert.ok(error instanceof TaskFailedError);
      assert.ok(error.cause instanceof RangeError);
      assert.equal(error.cause.message, '2');
      assert.equal(error.taskName, 'fail');
      const late1 = result.parent;
      assert.ok(late1 !== undefined);
      assert.equal(await app.result(late1.id).status, 'FAILURE');
      assert.deepEqual(ran, []);
    });

    it('fail a chord as soon as a member fails, while members beside it go on', async (t) => {
      const { app, worker } = ground.app(t);
      const { fail, sum, five } = tasks(app);
      const open = gate();
      const ended = gate();
      const slow = app.task('slow', async () => {
        await open.opened;
        ended.open();
        return 1;
      });
      await worker();
      const result = await chord([five.s(), fail.si('no'), slow.s()], sum.s()).delay();
      const error = await rejection(result.get(SOON));
      assert.ok(error instanceof TaskFailedError);
      assert.ok(error.cause instanceof ChordError);
      assert.ok(error.cause.cause instanceof RangeError);
      open.open();
      await within(ended.opened, 'the member beside');
      assert.equal(await result.status, 'FAILURE');
      const header = result.parent;
      assert.ok(header instanceof GroupResult);
      await until(() => header.ready(), 'the end of the header');
      assert.equal(await header.completedCount(), 2);
    });

    it('call errbacks once for each signature that carries one and fails', async (t) => {
      const { app, worker } = ground.app(t);
      const { five, fail, sum, add } = tasks(app);
      const calls: string[] = [];
      const note = app.task('note', async (request: { name: string }, error: Error, who: string) => {
        calls.push(`${who}: ${request.name} ${error.name} ${error.message}`);
      });
      await worker();
      const flow = chain(
        five.s().onError(note.s('first') as never),
        group(add.s(1), fail.s().onError(note.s('member') as never), fail.s()).onError(
          note.s('group') as never,
        ),
        sum.s().onError(note.s('body') as never),
        add.s(1).onError(note.s('later') as never),
      ).onError(note.s('chain') as never);
      await rejection((await flow.delay()).get(SOON));
      await until(() => calls.length >= 4, 'the errbacks');
      await five.delay().then((result) => result.get(SOON));
      assert.deepEqual(calls.map((call) => call.split(' ')[0]).sort(), [
        'body:',
        'chain:',
        'group:',
        'member:',
      ]);
      assert.ok(
        calls.every((call) => call.endsWith('fail RangeError 5')),
        calls.join('\n'),
      );
    });

    it('call links with the value, once', async (t) => {
      const { app, worker } = ground.app(t);
      const { add } = tasks(app);
      const calls: unknown[] = [];
      const note = app.task('note', async (value: unknown, who: string) => void calls.push([who, value]));
      await worker();
      const link = note.s('task');
      await (await add.applyAsync([1, 2], { link: [link, note.s('task')] })).get(SOON);
      await (await group(add.s(1, 1), add.s(2, 2)).link(note.s('group')).delay()).get(SOON);
      await (
        await chain(add.s(1, 1).link(note.s('step')), add.s(1))
          .link(note.s('chain'))
          .delay()
      ).get(SOON);
      await until(() => calls.length >= 4, 'the links');
      assert.deepEqual(calls.map((call) => JSON.stringify(call)).sort(), [
        '["chain",3]',
        '["group",[2,4]]',
        '["step",2]',
        '["task",3]',
      ]);
    });

    it('are revoked as a whole by their result', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const { add, sum } = tasks(app);
      const ran: number[] = [];
      const count = app.task('count', async (n: number) => ran.push(n));
      const result = await chord(
        [1, 2, 3].map((n) => count.s(n)),
        sum.s(),
      ).delay();
      const later = await chain(add.s(1, 1).set({ countdown: '1h' }), add.s(1)).delay();
      assert.deepEqual(await twin().result(result.id).revoke({ reason: 'no need' }), {
        found: true,
        was: 'PENDING',
      });
      assert.equal((await later.revoke()).found, true);
      assert.ok(result.parent instanceof GroupResult);
      const states = () => Promise.all((result.parent as GroupResult).results.map((member) => member.status));
      assert.deepEqual(
        [await result.status, await later.status, ...(await states())],
        Array(5).fill('REVOKED'),
      );
      const error = await rejection(result.get(SOON));
      assert.ok(error instanceof TaskRevokedError);
      await worker();
      await (await add.delay(1, 1)).get(SOON);
      await until(
        async () => (await app.queues.list()).every(({ waiting, delayed }) => waiting + delayed === 0),
        'empty queues',
      );
      assert.deepEqual(ran, []);
      assert.deepEqual([await result.status, ...(await states())], Array(4).fill('REVOKED'));
    });

    it('grow with their steps only: five chords in a row, each with thirty members', async (t) => {
      const { app, worker } = ground.app(t);
      const { five, sum } = tasks(app);
      await worker();
      const thirty = () => group(Array.from({ length: 30 }, () => five.si()));
      const steps = Array.from({ length: 5 }, () => [thirty(), sum.s()]).flat() as Composable[];
      const result = await chain(steps).delay();
      assert.equal(await result.get(SOON), 150);
      const { nodes, edges } = await result.graph();
      assert.deepEqual([nodes.length, edges.length], [155, 30 + 4 * 60]);
    });

    it('wait for members that retry', async (t) => {
      const { app, worker } = ground.app(t);
      const { sum, five } = tasks(app);
      let attempts = 0;
      const flaky = app.task(
        'flaky',
        { autoretryFor: true, defaultRetryDelay: 10, retryJitter: false },
        async () => {
          if (++attempts < 3) throw new Error('again');
          return 1;
        },
      );
      await worker();
      assert.equal(await (await chord([flaky.s(), five.s()], sum.s()).delay()).get(SOON), 6);
      assert.equal(attempts, 3);
    });

    it('take front arguments, ids, queues and delays where they belong', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, sum } = tasks(app);
      await worker({ queues: ['celeriac', 'other'] });
      const started = Date.now();
      const result = await chain(add.s(2), add.s(3)).applyAsync([1], {
        queue: 'other',
        taskId: 'my flow',
        countdown: 300,
      });
      assert.equal(result.id, 'my flow');
      assert.equal(await app.result('my flow').status, 'PENDING');
      assert.equal(await app.result<number>('my flow').get(SOON), 6);
      assert.ok(Date.now() - started >= 300);
      assert.equal((await (result.parent as typeof result).snapshot()).queue, 'other');
      assert.equal((await result.snapshot()).queue, 'celeriac');
      assert.deepEqual(await (await group(add.s(1), add.s(2)).delay(10)).get(SOON), [11, 12]);
      const named = await chord(
        [add.s(1, 1).set({ taskId: 'member/1' })],
        sum.s().set({ taskId: '77' }),
      ).delay();
      assert.equal(named.id, '77');
      assert.equal(await app.result<number>('77').get(SOON), 2);
      assert.equal(await app.result<number>('member/1').get(SOON), 2);
    });

    it('tell a part what it belongs to', async (t) => {
      const { app, worker } = ground.app(t);
      const { five } = tasks(app);
      const where = app.task('where', async function () {
        const { id, rootId, parentId, groupId, groupIndex } = this.request;
        return { id, rootId, parentId, groupId, groupIndex };
      });
      const last = app.task('last', async function (places: object[]) {
        return [...places, { rootId: this.request.rootId, parentId: this.request.parentId }];
      });
      await worker();
      const result = await chain(five.s(), group(where.si(), where.si()), last.s()).delay();
      const [one, two, end] = (await result.get(SOON)) as Record<string, unknown>[];
      const header = result.parent as GroupResult;
      const first = header.parent?.id;
      assert.deepEqual(
        [one?.rootId, one?.parentId, one?.groupId, one?.groupIndex],
        [first, first, header.id, 0],
      );
      assert.deepEqual([two?.rootId, two?.groupIndex, end?.rootId], [first, 1, first]);
      assert.ok([one?.id, two?.id].includes(end?.parentId));
    });
  });
});

describe('tasks in workflows', () => {
  onEveryEngine((ground) => {
    it('run over many items as one task, or as a group of chunks', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, double, sum } = tasks(app);
      await worker();
      assert.deepEqual(await (await double.map([1, 2, 3]).delay()).get(SOON), [2, 4, 6]);
      assert.deepEqual(
        await (
          await add
            .starmap([
              [1, 2],
              [3, 4],
            ])
            .delay()
        ).get(SOON),
        [3, 7],
      );
      const chunks = add.chunks(
        [
          [1, 1],
          [2, 2],
          [3, 3],
        ],
        2,
      );
      assert.deepEqual(await (await chunks.delay()).get(SOON), [[2, 4], [6]]);
      assert.equal(await (await chain(double.map([1, 2]), sum.s()).delay()).get(SOON), 6);
      const again = app.signature<number[]>(JSON.parse(JSON.stringify(double.map([5]))) as never);
      assert.deepEqual(await (await again.delay()).get(SOON), [10]);
    });

    it('give their place to another: id, callbacks, place in the workflow', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, double, sum, fail } = tasks(app);
      const noted: unknown[] = [];
      const note = app.task('note', async (value: unknown) => void noted.push(value));
      const ids: string[] = [];
      const who = app.task('who', async function (n: number) {
        ids.push(this.request.id);
        return n + 100;
      });
      const fork = app.task('fork', async function (kind: string): Promise<number> {
        if (kind === 'task') return this.replace(who.s(1));
        if (kind === 'chain') return this.replace(chain(add.s(1, 1), double.s()));
        if (kind === 'group') return this.replace(group(add.s(1, 1), add.s(2, 2)));
        return this.replace(fail.s('no'));
      });
      await worker();
      const plain = await fork.applyAsync(['task'], { link: note.s() });
      assert.equal(await plain.get(SOON), 101);
      assert.deepEqual(ids, [plain.id]);
      await until(() => noted.length === 1, 'the link');
      assert.deepEqual(noted, [101]);
      assert.equal(await (await fork.delay('chain')).get(SOON), 4);
      assert.deepEqual(await (await fork.delay('group')).get(SOON), [2, 4] as never);
      const error = await rejection((await fork.delay('fail')).get(SOON));
      assert.ok(error.cause instanceof RangeError);
      assert.equal(await (await chain(fork.s('task'), add.s(1)).delay()).get(SOON), 102);
      assert.deepEqual(await (await chord([fork.s('chain'), add.s(3, 3)], sum.s()).delay()).get(SOON), 10);
      const failed = await rejection((await chain(fork.s('fail'), add.s(1)).delay()).get(SOON));
      assert.ok(failed.cause instanceof RangeError);
    });

    it('add members to their own group', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, show } = tasks(app);
      const more = app.task('more', async function (n: number) {
        for (let i = 1; i <= n; i++) await this.addToGroup(add.s(i, 10));
        return n;
      });
      const lonely = app.task('lonely', async function () {
        await this.addToGroup(add.s(1, 1));
      });
      await worker();
      assert.equal(await (await chord([more.s(2), add.s(0, 0)], show.s()).delay()).get(SOON), '[2,0,11,12]');
      assert.deepEqual(await (await group(more.s(1)).delay()).get(SOON), [1, 11]);
      assert.match((await rejection((await lonely.delay()).get(SOON))).message, /no member of a group/);
    });

    it('tell how a chord’s header gets on', async (t) => {
      const { app, worker } = ground.app(t);
      const { sum } = tasks(app);
      const open = gate();
      const one = app.task('one', async (wait: boolean) => {
        if (wait) await open.opened;
        return 1;
      });
      await worker();
      const result = await chord([one.s(false), one.s(false), one.s(true)], sum.s()).delay();
      const seen: unknown[] = [];
      for await (const update of result.updates()) {
        seen.push(update);
        if (JSON.stringify(update.meta) === '{"completed":2,"total":3}') open.open();
      }
      assert.deepEqual(seen.at(-1), { state: 'SUCCESS', meta: undefined });
      const header = result.parent as GroupResult;
      const members: number[] = [];
      for await (const { index, state } of header.updates()) {
        assert.equal(state, 'SUCCESS');
        members.push(index);
      }
      assert.deepEqual(members.sort(), [0, 1, 2]);
    });

    it('are sent together, or not at all when two have one id', async (t) => {
      const { app, worker } = ground.app(t);
      const { add } = tasks(app);
      await worker();
      const results = await app.publish([add.s(1, 1), add.s(2, 2).set({ taskId: 'two' })]);
      assert.deepEqual(await Promise.all(results.map((result) => result.get(SOON))), [2, 4]);
      const twins = [add.s(1, 1).set({ taskId: 'twin' }), add.s(2, 2).set({ taskId: 'twin' })];
      assert.equal((await rejection(app.publish(twins))).name, 'DuplicateTaskError');
      assert.equal(await app.result('twin').exists(), false);
    });

    it('are forgotten with their workflow', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, sum } = tasks(app);
      await worker();
      const result = await chord([add.s(1, 1), add.s(2, 2)], sum.s()).delay();
      assert.equal(await result.get(SOON), 6);
      await until(async () => (await result.snapshot()).doneAt !== undefined, 'the record of the body');
      await result.forget();
      await until(async () => !(await result.exists()), 'the end of the record');
      const header = result.parent as GroupResult;
      assert.deepEqual(await Promise.all(header.results.map((member) => member.exists())), [false, false]);
    });
  });
});
