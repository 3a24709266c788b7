/** Tags: who has them, and what is found by them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chain, chord, currentTask, type FleetEvent, group, OptionError } from 'celeriac';
import { gate, onEveryEngine, rejection, until } from '../support/app.js';

const PATIENCE = { timeout: '30s' } as const;
const tagsHere = () => [...(currentTask()?.request.tags ?? ['none'])];

describe('Tags', () => {
  onEveryEngine((ground) => {
    it('of a task, its call and its caller add up, and are in snapshots, events and requests', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const inner = app.task('inner', { tags: ['inner'] }, tagsHere);
      const outer = app.task('outer', { tags: ['outer', 'both'] }, async () => {
        const result = await inner.applyAsync([], { tags: ['called', 'both'] });
        return [tagsHere(), result.id] as const;
      });
      const seen: FleetEvent[] = [];
      app.on('task-sent', (event) => void seen.push(event));
      await worker();
      const result = await outer.applyAsync([], { tags: ['tenant:42'] });
      const [own, innerId] = await result.get(PATIENCE);
      assert.deepEqual(own, ['outer', 'both', 'tenant:42']);
      const called = app.result<string[]>(innerId);
      assert.deepEqual(await called.get(PATIENCE), ['inner', 'called', 'both', 'outer', 'tenant:42']);
      assert.deepEqual((await twin().result(result.id).snapshot()).tags, own);
      const sent = seen.find((event) => 'id' in event && event.id === result.id);
      assert.deepEqual(sent !== undefined && 'tags' in sent && sent.tags, own);
      const plain = await app.task('plain', tagsHere).delay();
      assert.deepEqual(await plain.get(PATIENCE), []);
      assert.deepEqual((await plain.snapshot()).tags, []);
    });

    it('of a workflow are those of all its parts, beside their own', async (t) => {
      const { app, worker } = ground.app(t);
      const tags = app.task('tags', (..._: unknown[]) => tagsHere().join());
      const linked: string[] = [];
      const note = app.task('note', (_: unknown) => void linked.push(tagsHere().join()));
      await worker();
      const own = (tag: string) => tags.s().set({ tags: [tag] });
      const line = await chain(own('a'), own('b')).applyAsync([], { tags: ['whole'] });
      assert.equal(await line.get(PATIENCE), 'whole,b');
      const several = await group(own('a'), tags.s()).applyAsync([], { tags: ['whole'], link: note.s() });
      assert.deepEqual(await several.get(PATIENCE), ['whole,a', 'whole']);
      const both = await chord([tags.s(), tags.s()], own('body')).applyAsync([], { tags: ['whole'] });
      assert.equal(await both.get(PATIENCE), 'whole,body');
      await until(() => linked.length === 1, 'the link');
      assert.deepEqual(linked, ['whole']);
    });

    it('revoke all tasks that have them: waiting, delayed, running, of any queue', async (t) => {
      const { app, worker } = ground.app(t);
      const opened = gate();
      const started: string[] = [];
      const slow = app.task('slow', async () => {
        started.push(currentTask()?.request.id ?? '');
        await opened.opened;
      });
      await worker({ concurrency: 1 });
      const mine = { tags: ['tenant:42'] };
      const running = await slow.applyAsync([], mine);
      await until(() => started.length === 1, 'the first');
      const waiting = await slow.applyAsync([], mine);
      const delayed = await slow.applyAsync([], { ...mine, countdown: '1h', taskId: 'of my own' });
      const elsewhere = await slow.applyAsync([], { ...mine, queue: 'elsewhere', priority: 5 });
      const other = await slow.delay();
      await app.control.revoke({ tag: 'tenant:42' }, { reason: 'moved', terminate: true });
      for (const result of [running, waiting, delayed, elsewhere]) {
        const error = await rejection(result.get(PATIENCE));
        assert.match(error.message, /moved/, result.id);
      }
      opened.open();
      await other.get(PATIENCE);
      assert.deepEqual(started, [running.id, other.id]);
      await assert.rejects(app.control.revoke({ tag: '' }), OptionError);
    });

    it('revoke thousands that leave their place as they are revoked', async (t) => {
      const { app } = ground.app(t);
      const later = app.task('later', () => 1);
      const set = later.s().set({ countdown: '1h', tags: ['many'] });
      const sent = await app.publish(Array.from({ length: 1_300 }, () => set));
      await app.control.revoke({ tag: 'many' }, { timeout: 100 });
      const states = await Promise.all(sent.map((result) => result.status));
      assert.equal(states.filter((state) => state !== 'REVOKED').length, 0);
    });

    it('select among running and failed tasks', async (t) => {
      const { app, worker } = ground.app(t);
      const opened = gate();
      const slow = app.task('slow', () => opened.opened);
      const broken = app.task('broken', () => {
        throw new RangeError('no');
      });
      await worker({ concurrency: 4 });
      const [one] = [await slow.applyAsync([], { tags: ['x'] }), await slow.applyAsync([], { tags: ['y'] })];
      const active = async (tag?: string) =>
        Object.values(await app.inspect().active(tag === undefined ? {} : { tag })).flatMap((reply) =>
          Array.isArray(reply) ? reply.map(({ id }) => id) : [],
        );
      await until(async () => (await active()).length === 2, 'two running tasks');
      assert.deepEqual(await active('x'), [one?.id]);
      opened.open();
      const failed = await broken.applyAsync([], { tags: ['x'] });
      const other = await broken.delay();
      await Promise.all([rejection(failed.get(PATIENCE)), rejection(other.get(PATIENCE))]);
      assert.deepEqual(
        (await app.failed.list({ tag: 'x' })).map(({ id }) => id),
        [failed.id],
      );
      assert.deepEqual((await app.failed.delete({ tag: 'x' })).done, [failed.id]);
      assert.deepEqual(
        (await app.failed.list()).map(({ id }) => id),
        [other.id],
      );
    });
  });
});
