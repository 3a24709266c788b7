import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Celeriac,
  type CeleriacOptions,
  ChordError,
  chain,
  chord,
  type GroupResult,
  group,
  Ignore,
} from 'celeriac';
import { rejection } from '../support/app.js';

/** A broker nobody answers at: whoever asks it fails. */
const NOWHERE = 'redis://127.0.0.1:1/0';

function eagerApp(t: { after(fn: () => Promise<void>): void }, options: CeleriacOptions = {}): Celeriac {
  const app = new Celeriac('eager', {
    broker: NOWHERE,
    publishRetry: '50ms',
    taskAlwaysEager: true,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    ...options,
  });
  t.after(() => app.close());
  return app;
}

/** Tasks that note what they were called with. */
function tasks(app: Celeriac) {
  const notes: unknown[] = [];
  const note = app.task('note', (...args: unknown[]) => {
    notes.push(args.map((arg) => (arg instanceof Error ? arg.message : arg)));
    return args.length;
  });
  const tell = app.task('tell', function (_before: unknown = undefined) {
    const { headers, priority, queue, timeLimit, id } = this.request;
    return { headers, priority, queue, timeLimit, id };
  });
  const fail = app.task('fail', (text: string) => {
    throw new Error(text);
  });
  const ignore = app.task('ignore', (_before: unknown = undefined): number => {
    throw new Ignore();
  });
  const end = app.task('end', function (..._before: unknown[]): number {
    return this.endWorkflow('ended');
  });
  const one = app.task('one', () => 1);
  const list = app.task('list', (values: unknown[]) => values);
  const plus = app.task('plus', (a: number, b: number) => a + b);
  return { notes, note, tell, fail, ignore, end, one, list, plus };
}

describe('A workflow that runs here and now', () => {
  it('has the options of the whole, below those of its parts', async (t) => {
    const app = eagerApp(t);
    const { tell, list } = tasks(app);
    const all = { headers: { tenant: 7 }, priority: 3, queue: 'slow', timeLimit: '1m', taskId: 'whole' };
    const ended = await chain(tell.si(), tell.si().set({ priority: 1, headers: { own: 1 } })).applyAsync(
      [],
      all,
    );
    assert.deepEqual(await ended.get(), {
      headers: { tenant: 7, own: 1 },
      priority: 1,
      queue: 'celeriac',
      timeLimit: 60_000,
      id: 'whole',
    });
    const members = await group(tell.si(), tell.si())
      .set({ headers: { set: 1 } })
      .delay();
    for (const { headers } of (await members.get()) as { headers: object }[])
      assert.deepEqual(headers, { set: 1 });
    const body = await chord([tell.si()], list.s()).applyAsync([], { queue: 'there', priority: 2 });
    const [header] = (await body.get()) as { queue: string; priority: number }[];
    assert.deepEqual([header?.queue, header?.priority], ['there', 2]);
  });

  it('has the options of its call over those that were set, with callbacks too', async (t) => {
    const app = eagerApp(t);
    const { tell, note } = tasks(app);
    const linked = tell
      .si()
      .set({ priority: 5, headers: { a: 1 } })
      .link(note.s());
    assert.equal((await (await linked.applyAsync([], { priority: 1 })).get()).priority, 1);
    const whole = chain(tell.si()).set({ priority: 5 });
    assert.equal((await (await whole.applyAsync([], { priority: 1 })).get()).priority, 1);
  });

  it('is called by apply(), with what is called after it', async (t) => {
    const app = eagerApp(t, { taskAlwaysEager: false });
    const { notes, note, one, fail } = tasks(app);
    const result = await one.apply([], { link: note.s('after'), linkError: note.s('no') });
    assert.equal(await result.get(), 1);
    assert.deepEqual(notes, [[1, 'after']]);
    const failed = await fail.apply(['broken'], { link: note.s('no'), linkError: [note.s('blamed')] });
    assert.equal((await rejection(failed.get())).message.includes('broken'), true);
    const [, blamed] = notes as [unknown, [object, string, string]];
    assert.deepEqual(blamed.slice(1), ['broken', 'blamed']);
    assert.equal((blamed[0] as { name: string }).name, 'fail');
  });

  it('gives a task’s place away', async (t) => {
    const app = eagerApp(t);
    const { plus, one, fail, notes, note } = tasks(app);
    const fork = app.task('fork', function (n: number): number {
      return this.replace(chain(one.si(), plus.s(n)));
    });
    const result = await chain(fork.s(10), plus.s(100)).delay();
    assert.equal(await result.get(), 111);
    const alone = await fork.applyAsync([1], { taskId: 'mine', link: note.s() });
    assert.deepEqual([alone.id, await alone.get()], ['mine', 2]);
    assert.deepEqual(notes, [[2]]);
    const worse = app.task('worse', function () {
      return this.replace(fail.s('inside'));
    });
    const error = await rejection((await worse.delay()).get());
    assert.match(error.message, /inside/);
    assert.equal(
      await (
        await app
          .task('both', function () {
            return this.replace(group(one.si(), one.si()));
          })
          .apply([])
      )
        .get()
        .then(String),
      '1,1',
    );
  });

  it('takes further members into a group, which runs them behind the others', async (t) => {
    const app = eagerApp(t);
    const { one, list, plus } = tasks(app);
    const grow = app.task('grow', async function (n: number) {
      await this.addToGroup(plus.s(n, n));
      if (n > 1) await this.addToGroup(grow.s(n - 1));
      return this.request.groupIndex;
    });
    const result = await chord([grow.s(2), one.si()], list.s()).delay();
    assert.deepEqual(await result.get(), [0, 1, 4, 3, 2]);
    const alone = await rejection((await grow.delay(1)).get());
    assert.match(alone.message, /is no member of a group/);
  });

  it('ends without a result where a step or a header member ignores it, and nothing runs after it', async (t) => {
    const app = eagerApp(t);
    const { ignore, note, notes, one, list } = tasks(app);
    const errback = note.s('errback');
    const flow = chain(one.si(), ignore.s().link(note.s('own')), note.s('next'))
      .link(note.s('link'))
      .onError(errback);
    const result = await flow.delay();
    assert.equal(await result.get(), undefined);
    const body = await chord([ignore.s(), one.si()], note.s('body')).onError(errback).delay();
    assert.equal(await body.get(), undefined);
    assert.deepEqual(notes, []);
    const beside = await group(chain(ignore.s(), note.s('next')), one.si())
      .link(list.s())
      .delay();
    assert.deepEqual(await beside.get(), [undefined, 1]);
    assert.deepEqual(notes, []);
  });

  it('gives every group an id', async (t) => {
    const app = eagerApp(t);
    const { one } = tasks(app);
    const result = (await group(one.si()).delay()) as GroupResult;
    assert.notEqual(result.id, '');
    assert.notEqual((await group([]).delay()).id, '');
  });

  it('ends with the value of a task that ends it: as a step, a header, a member or a chain of them', async (t) => {
    const app = eagerApp(t);
    const { end, note, notes, one, list } = tasks(app);
    const never = note.s('never');
    const whole = chain(one.si(), end.s().link(note.s('own')), never)
      .link(note.s('link'))
      .onError(never);
    assert.equal(await (await whole.delay()).get(), 'ended');
    assert.deepEqual(notes.splice(0), [
      ['ended', 'own'],
      ['ended', 'link'],
    ]);
    assert.equal(await (await chord([end.s(), never, chain(never, never)], never).delay()).get(), 'ended');
    const body = await chord([chain(end.s(), never), one.si()], list.s()).delay();
    assert.deepEqual(await body.get(), ['ended', 1]);
    const members = await group(chain(end.s(), never), end.s(), one.si()).delay();
    assert.deepEqual(await (members as GroupResult).get(), ['ended', 'ended', 1]);
    const inner = chain(chain(one.si(), end.s()).link(note.s('inner')), never);
    assert.equal(await (await inner.delay()).get(), 'ended');
    assert.equal(await (await end.delay()).get(), 'ended');
    assert.deepEqual(notes, [['ended', 'inner']]);
  });

  it('fails a chord by its first failed member, all the same', async (t) => {
    const app = eagerApp(t);
    const { fail, ignore, one, list } = tasks(app);
    const body = await chord([fail.s('first'), ignore.s(), one.si()], list.s()).delay();
    assert((await rejection(body.get())).cause instanceof ChordError);
  });

  it('tells the errbacks of a chord’s body that its header failed', async (t) => {
    const app = eagerApp(t);
    const { notes, note, fail, one, list } = tasks(app);
    const called = list.s().onError(note.s('blamed'));
    await rejection((await chord([fail.s('first'), one.si()], called as never).delay()).get());
    const [[, error] = []] = notes as unknown[][];
    assert.deepEqual([notes.length, error], [1, 'first']);
  });
});

describe('A group without members', () => {
  it('has an id that leads back to it, in any process', async (t) => {
    const app = new Celeriac('any', { broker: NOWHERE, publishRetry: '50ms' });
    t.after(() => app.close());
    const result = await group([]).delay();
    for (const from of [result.id, JSON.parse(JSON.stringify(result))]) {
      const again = await app.groupResult(from);
      assert.deepEqual(
        [again.id, again.length, await again.get(), await again.ready()],
        [result.id, 0, [], true],
      );
    }
  });

  it('calls what is called after it', async (t) => {
    const app = eagerApp(t);
    const { notes, note } = tasks(app);
    assert.deepEqual(await (await group([]).link(note.s('link')).delay()).get(), []);
    assert.deepEqual(notes, [[[], 'link']]);
  });
});
