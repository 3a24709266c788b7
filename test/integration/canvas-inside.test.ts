/** What a running task does to its own workflow: it gives its place away, and adds members to its group. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Queue } from 'bullmq';
import { type Celeriac, type Composable, chain, chord, GroupResult, group, type TaskHandle } from 'celeriac';
import { onEveryEngine, rejection, startProgram, startWorker, testApp, uniqueName } from '../support/app.js';
import { flowTasks, Notes, noteTask } from '../support/flow-tasks.js';
import { startRedis } from '../support/redis.js';

const ADDING_WORKER = new URL('./programs/adding-worker.js', import.meta.url);
const SOON = { timeout: '20s' } as const;

/** A task that gives its place to one of these, by name. */
function forkTask(
  app: Celeriac,
  into: Readonly<Record<string, () => Composable>>,
): TaskHandle<[string], never> {
  return app.task('fork', async function (kind: string): Promise<never> {
    const make = into[kind];
    if (make === undefined) throw new RangeError(`no "${kind}"`);
    return this.replace(make());
  });
}

function placeTask(app: Celeriac) {
  return app.task('place', async function () {
    const { id, rootId, parentId, groupId, groupIndex } = this.request;
    return { id, rootId, parentId, groupId, groupIndex };
  });
}

describe('a task that gives its place away', () => {
  onEveryEngine((ground) => {
    it('may give it to each shape, wherever it stands', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, five, sum, show } = flowTasks(app);
      const fork: TaskHandle<[string], never> = forkTask(app, {
        task: () => add.s(1, 1),
        chain: () => chain(add.s(1, 1), add.s(1)),
        group: () => group(five.s(), five.s()),
        empty: () => group([]),
        chord: () => chord([five.s(), five.s()], sum.s()),
        'chord with a group for a body': () => chord([five.s()], group(sum.s(), show.s())),
        map: () => add.starmap([[1, 2]]),
        itself: () => fork.s('chord'),
      });
      await worker();
      const values: Record<string, unknown> = {
        task: 2,
        chain: 3,
        group: [5, 5],
        empty: [],
        chord: 10,
        'chord with a group for a body': [5, '[5]'],
        map: [3],
        itself: 10,
      };
      const each = Object.entries(values).map(async ([kind, value]) => {
        const [plain, first, member, body] = await Promise.all([
          fork.delay(kind),
          chain(fork.s(kind), show.s() as never).delay(),
          chord([fork.s(kind), five.s()], show.s()).delay(),
          chain(five.s(), chord([five.si()], fork.si(kind))).delay(),
        ]);
        assert.deepEqual(
          await Promise.all([plain, first, member, body].map((result) => result.get(SOON))),
          [value, JSON.stringify(value), JSON.stringify([value, 5]), value],
          kind,
        );
        assert.equal(await plain.status, 'SUCCESS');
      });
      await Promise.all(each);
    });

    it('leaves its id, its group and what it came after to what takes it', async (t) => {
      const { app, worker } = ground.app(t);
      const { five } = flowTasks(app);
      const place = placeTask(app);
      const fork = forkTask(app, { place: () => place.s(), chain: () => chain(five.s(), place.si()) });
      const list = app.task('list', async (places: object[]) => places);
      await worker();
      const result = await chain(five.s(), group(fork.si('place'), fork.si('chain')), list.s()).delay();
      const header = result.parent as GroupResult;
      const first = header.parent?.id ?? '';
      const places = (await result.get(SOON)) as Record<string, unknown>[];
      assert.deepEqual(
        places.map(({ id, rootId, groupId, groupIndex }) => [id, rootId, groupId, groupIndex]),
        header.results.map(({ id }, index) => [id, first, header.id, index]),
      );
      assert.equal(places[0]?.parentId, first);
      assert.notEqual(places[1]?.parentId, places[1]?.id);
    });

    it('is revoked with its workflow though it gives its place away only then', async (t) => {
      const { app, worker } = ground.app(t);
      const notes = new Notes();
      const note = noteTask(app, notes);
      const { five } = flowTasks(app);
      const fork = app.task('fork', async function (workflow: string): Promise<number> {
        await app.result(workflow).revoke({ reason: 'too late' });
        return this.replace(note.s(1, 'never'));
      });
      await worker();
      const result = await chain(fork.s('the workflow'), five.si()).applyAsync([], {
        taskId: 'the workflow',
      });
      await rejection(result.get(SOON));
      const parent = result.parent;
      assert.ok(parent !== undefined && !(parent instanceof GroupResult));
      await rejection(parent.get(SOON));
      await (await five.delay()).get(SOON);
      assert.deepEqual([await result.status, await parent.status, notes.all], ['REVOKED', 'REVOKED', []]);
    });

    it('may choose the ids of what takes it', async (t) => {
      const { app, worker } = ground.app(t);
      const { five, add } = flowTasks(app);
      const fork = forkTask(app, { named: () => chain(five.s().set({ taskId: 'step' }), add.s(1)) });
      await worker();
      const result = await fork.applyAsync(['named'], { taskId: 'mine' });
      assert.deepEqual([await result.get(SOON), await app.result('mine').get(SOON)], [6, 6]);
      assert.equal(await app.result('step').get(SOON), 5);
      const error = await rejection((await fork.delay('named')).get(SOON));
      assert.equal((error.cause as Error).name, 'DuplicateTaskError');
    });
  });
});

describe('a task that adds to its group', () => {
  onEveryEngine((ground) => {
    it('adds any shape, from any step of a member, and every process reads the list alike', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const { add, five, sum, show } = flowTasks(app);
      const into: Record<string, () => Composable> = {
        task: () => add.s(1, 1),
        chain: () => chain(add.s(1, 1), add.s(1)),
        group: () => group(add.s(1, 1), add.s(1, 2)),
        chord: () => chord([five.s(), five.s()], sum.s()),
        empty: () => group([]),
      };
      const more = app.task('more', async function (value: unknown, kind: string) {
        const make = into[kind];
        if (make !== undefined) await this.addToGroup(make());
        return value;
      });
      await worker();
      const other = twin();
      const added: Record<string, unknown[]> = {
        task: [2],
        chain: [3],
        group: [2, 3],
        chord: [10],
        empty: [],
      };
      const each = Object.entries(added).map(async ([kind, values]) => {
        const result = await chord([more.s(0, kind), five.s()], show.s()).delay();
        assert.equal(await result.get(SOON), JSON.stringify([0, 5, ...values]), kind);
        const header = await other.groupResult((result.parent as GroupResult).id);
        assert.deepEqual(await header.get(SOON), [0, 5, ...values], kind);
        const length = 2 + values.length;
        assert.deepEqual([header.length, await header.completedCount()], [length, length]);
        const { nodes } = await result.graph();
        assert.ok(nodes.every(({ state }) => state === 'SUCCESS') && nodes.length >= 3 + values.length, kind);
      });
      await Promise.all(each);
      const later = chord([chain(five.s(), more.s('task')), five.s()], show.s());
      assert.equal(await (await later.delay()).get(SOON), '[5,5,2]');
      const inner = chord([group(chain(five.s(), group(more.s('chain'))), five.s())], show.s());
      assert.equal(await (await inner.delay()).get(SOON), '[[5,3],5]');
    });

    it('adds to the group of the task whose place it took, and under ids of its own choice', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, five, show } = flowTasks(app);
      const more = app.task('more', async function (n: number) {
        for (let i = 1; i <= n; i++) await this.addToGroup(add.s(i, 10).set({ taskId: `added ${i}` }));
        return n;
      });
      const fork = forkTask(app, { more: () => more.s(2) });
      await worker();
      const result = await chord([fork.s('more'), five.s()], show.s()).delay();
      assert.equal(await result.get(SOON), '[2,5,11,12]');
      assert.deepEqual(await Promise.all([1, 2].map((i) => app.result(`added ${i}`).get(SOON))), [11, 12]);
      const again = await rejection((await chord([more.s(1)], show.s()).delay()).get(SOON));
      assert.match(again.message, /added 1/);
    });
  });
});

describe('a member that was added by a run that died', () => {
  it('is sent, though the next run adds nothing', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const broker = { broker: redis.url, prefix: uniqueName() };
    const { app } = testApp(t, { ...broker, lockDuration: '1s' });
    app.task('grow', () => 1);
    app.task('five', { queue: 'later' }, () => 5);
    const { grow } = app.tasks<{ grow(): number }>()({ grow: { name: 'grow' } });
    const result = await group(grow.s(), grow.s().set({ queue: 'later' })).delay();
    const dying = startProgram(t, ADDING_WORKER, [broker.broker, broker.prefix]);
    await dying.message((message) => message === 'added', 30_000);
    dying.child.kill('SIGKILL');
    await dying.ended;
    // It might have died a little sooner: its member is in the record, and not in a queue.
    const queue = new Queue('later', { connection: { url: redis.url }, prefix: broker.prefix });
    const sent = (await queue.getJobs()).filter((job) => job.name === 'five');
    assert.equal(sent.length, 1);
    await sent[0]?.remove();
    await queue.close();
    await startWorker(app, { queues: ['celeriac', 'later'] });
    assert.deepEqual(await result.get(SOON), [1, 1, 5]);
  });
});
