/** What goes on in a workflow when its outcome stands: beside a failure, after its end, and when it is revoked or forgotten. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Celeriac,
  ChordError,
  chain,
  chord,
  GroupResult,
  group,
  TaskFailedError,
  TaskRevokedError,
} from 'celeriac';
import { Counter, gate, onEveryEngine, rejection, until, within } from '../support/app.js';
import { blameTask, flowTasks, Notes, noteTask } from '../support/flow-tasks.js';

const SOON = { timeout: '20s' } as const;

/** A task that waits at a gate, and gives what it is given. */
function waitTask(app: Celeriac, open: { readonly opened: Promise<void> }, arrivals = new Counter()) {
  return app.task('wait', async (value: number) => {
    arrivals.add();
    await open.opened;
    return value;
  });
}

describe('a workflow whose outcome stands', () => {
  onEveryEngine((ground) => {
    it('lets members beside a failed one go on to their ends: chains, groups and chords in them', async (t) => {
      const { app, worker } = ground.app(t);
      const { fail, sum } = flowTasks(app);
      const [notes, open] = [new Notes(), gate()];
      const [note, blame, wait] = [noteTask(app, notes), blameTask(app, notes), waitTask(app, open)];
      await worker();
      const result = await chord(
        [
          fail.si('no'),
          chain(wait.s(1), group(note.s('one'), note.s('two')), note.s('list')),
          chord([wait.s(2), wait.s(3)], chain(sum.s(), note.s('body'))),
          chain(wait.s(4), fail.s(), note.s('never')).onError(blame.s('beside')),
        ],
        note.s('body of the failed'),
      ).delay();
      assert.ok((await rejection(result.get(SOON))).cause instanceof ChordError);
      open.open();
      assert.deepEqual(await notes.first(5), [
        '["beside","fail","RangeError","4"]',
        '["body",5]',
        '["list",[1,1]]',
        '["one",1]',
        '["two",1]',
      ]);
      const header = result.parent;
      assert.ok(header instanceof GroupResult);
      await until(() => header.ready(), 'the end of the header');
      assert.deepEqual(await Promise.all(header.results.map(({ status }) => status)), [
        'FAILURE',
        'SUCCESS',
        'SUCCESS',
        'FAILURE',
      ]);
      assert.equal(notes.all.length, 5);
    });

    it('calls workflows as its links and errbacks: chains, groups and chords', async (t) => {
      const { app, worker } = ground.app(t);
      const { five, add, sum, fail } = flowTasks(app);
      const notes = new Notes();
      const [note, blame] = [noteTask(app, notes), blameTask(app, notes)];
      await worker();
      await chain(five.s(), add.s(1))
        .link(chord([add.s(1), add.s(2)], chain(sum.s(), note.s('chord'))))
        .link(chain(add.s(1), group(note.s('a'), note.s('b')), note.s('after')))
        .delay();
      await chain(five.s(), fail.s())
        .onError(chord([blame.s('one'), blame.s('two')], note.si('x', 'errors')))
        .delay();
      assert.deepEqual(await notes.first(7), [
        '["a",7]',
        '["after",[7,7]]',
        '["b",7]',
        '["chord",15]',
        '["errors","x"]',
        '["one","fail","RangeError","5"]',
        '["two","fail","RangeError","5"]',
      ]);
    });

    it('fails what comes after a part that was revoked, and tells errbacks whose it was', async (t) => {
      const { app, worker } = ground.app(t);
      const { show } = flowTasks(app);
      const [notes, open] = [new Notes(), gate()];
      const [blame, wait] = [blameTask(app, notes), waitTask(app, open)];
      await worker();
      const revoked = show.s().set({ taskId: 'part' }).onError(blame.s('part'));
      const result = await chain(wait.s(1), revoked, show.s()).delay();
      assert.deepEqual(await app.result('part').revoke({ reason: 'no need' }), {
        found: true,
        was: 'PENDING',
      });
      const error = await rejection(result.get(SOON));
      open.open();
      assert.ok(error instanceof TaskFailedError);
      assert.ok(error.cause instanceof TaskRevokedError);
      assert.deepEqual([error.taskId, await result.status], ['part', 'FAILURE']);
      assert.equal(await app.result('part').status, 'REVOKED');
      assert.deepEqual(await notes.first(1), [
        '["part","show","TaskRevokedError","Task show (part) was revoked: no need."]',
      ]);
    });

    it('revokes what took the place of its parts, and is not left waiting when that is revoked', async (t) => {
      const { app, worker } = ground.app(t);
      const { show } = flowTasks(app);
      const [notes, open] = [new Notes(), gate()];
      const arrivals = new Counter();
      const [note, wait] = [noteTask(app, notes), waitTask(app, open, arrivals)];
      const fork = app.task('fork', async function (): Promise<number> {
        return this.replace(chain(wait.s(1), note.s('never')));
      });
      await worker();
      const whole = await chain(fork.s(), show.s()).delay();
      await arrivals.reached(1);
      assert.equal((await whole.revoke()).found, true);
      const part = await chain(fork.s(), show.s()).delay();
      const forked = part.parent;
      assert.ok(forked !== undefined && !(forked instanceof GroupResult));
      await arrivals.reached(2);
      // Its place is given away once its own job has been settled: it reads as what took it from then on.
      await until(async () => (await forked.snapshot()).name === 'note', 'what took its place');
      assert.equal((await forked.revoke({ reason: 'no need' })).found, true);
      const error = await rejection(part.get(SOON));
      assert.ok(error.cause instanceof TaskRevokedError);
      assert.deepEqual([await whole.status, await forked.status], ['REVOKED', 'REVOKED']);
      open.open();
      await until(
        async () => (await app.queues.list()).every(({ active }) => active === 0),
        'the end of all',
      );
      assert.deepEqual(notes.all, []);
    });

    it('is forgotten at its end when that was asked while it ran, what took a part’s place included', async (t) => {
      const { app, worker } = ground.app(t);
      const { show, add, five } = flowTasks(app);
      const open = gate();
      const wait = waitTask(app, open);
      const fork = app.task('fork', async function (n: number): Promise<number> {
        return this.replace(chain(five.s().set({ taskId: 'inner' }), add.s(n)));
      });
      await worker();
      const result = await chain(wait.s(1), fork.s(), group(show.s(), show.s())).delay();
      const parts = (await result.graph()).nodes.map(({ id }) => app.result(id));
      await result.forget();
      assert.deepEqual(await Promise.all(parts.map((part) => part.exists())), [true, true, true, true]);
      open.open();
      const left = async () => {
        const known = await Promise.all([...parts, app.result('inner')].map((part) => part.exists()));
        return known.every((each) => !each) && (await app.queues.list()).every(({ active }) => active === 0);
      };
      await until(left, 'the end of all records');
      assert.equal(await result.exists(), false);
    });

    it('keeps what stores no result for as long as it lives, and no longer', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const { five, add } = flowTasks(app);
      const open = gate();
      const hold = app.task('hold', async (n: number) => {
        await open.opened;
        return n;
      });
      await worker();
      const ignored = { ignoreResult: true } as const;
      const result = await chain(five.s().set(ignored), hold.s(), add.s(1)).applyAsync([], ignored);
      const first = result.parent?.parent;
      assert.ok(first !== undefined && !(first instanceof GroupResult));
      const elsewhere = twin().result(first.id);
      await until(async () => (await elsewhere.status) === 'SUCCESS', 'the first step');
      for (const same of [first, elsewhere])
        assert.equal(await same.get(SOON), undefined, 'while its value is there for the next step');
      open.open();
      assert.equal(await result.get(SOON), undefined);
      await until(async () => !(await result.exists()), 'the end of the workflow');
      assert.deepEqual(
        [await first.get(SOON), await elsewhere.exists(), await result.exists()],
        [undefined, false, false],
      );
    });

    it('keeps its parts’ records until it has ended, whatever `resultExpires` says', async (t) => {
      const { app, worker } = ground.app(t, { resultExpires: '1s', failureExpires: '1s' });
      const { five, add } = flowTasks(app);
      const open = gate();
      const hold = app.task('hold', async (n: number) => {
        await open.opened;
        return n;
      });
      await worker();
      const result = await chain(five.s(), group(add.s(1), hold.s())).delay();
      const first = (result.parent as typeof result).id;
      // Its job tells who ran it; the workflow's record, which is left, does not.
      const dropped = async () => {
        const { state, worker: ranBy } = await app.result(first).snapshot();
        return state === 'SUCCESS' && ranBy === undefined;
      };
      await until(dropped, 'the janitor');
      const again = await within(app.result(first).get(), 'its value');
      open.open();
      assert.deepEqual([again, await result.get(SOON)], [5, [6, 5]]);
      await until(async () => !(await app.result(first).exists()) && !(await result.exists()), 'their ends');
    });
  });
});
