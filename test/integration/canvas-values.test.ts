/** What travels between the parts of a workflow, and what is shown of it on the way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chain, chord, group, TaskRevokedError, type Update } from 'celeriac';
import { gate, onEveryEngine, rejection, until } from '../support/app.js';
import { flowTasks } from '../support/flow-tasks.js';

const SOON = { timeout: '20s' } as const;

describe('values in workflows', () => {
  onEveryEngine((ground) => {
    it('may be nothing: tasks that return nothing in groups, chords, maps and replacements', async (t) => {
      const { app, worker } = ground.app(t);
      const { five, show } = flowTasks(app);
      const nothing = app.task('nothing', async (_value?: unknown) => undefined);
      const count = app.task('count', async (list: unknown[]) => [list.length, list.indexOf(undefined)]);
      const fork = app.task('fork', async function (): Promise<never> {
        return this.replace(group(five.s(), nothing.s()));
      });
      await worker();
      assert.deepEqual(await (await group(nothing.s(), five.s()).delay()).get(SOON), [undefined, 5]);
      assert.deepEqual(await (await chord([five.s(), nothing.s()], count.s()).delay()).get(SOON), [2, 1]);
      assert.deepEqual(await (await nothing.map([1, 2]).delay()).get(SOON), [undefined, undefined]);
      assert.deepEqual(await (await nothing.chunks([1, 2, 3], 2).delay()).get(SOON), [
        [undefined, undefined],
        [undefined],
      ]);
      assert.deepEqual(await (await chain(nothing.map([1]), count.s() as never).delay()).get(SOON), [1, 0]);
      assert.deepEqual(await (await fork.delay()).get(SOON), [5, undefined] as never);
      assert.deepEqual(await (await group(chain(five.s(), group(nothing.si()))).delay()).get(SOON), [
        [undefined],
      ]);
      assert.equal(await (await chain(nothing.s(), show.s()).delay()).get(SOON), undefined);
    });

    it('keep their kinds with a rich serializer, and odd text and keys with each', async (t) => {
      for (const serializer of ['rich', 'json'] as const) {
        const { app, worker } = ground.app(t, { serializer });
        const odd = { $celeriac: 'list', value: ['\0', '\ud800'] };
        const value = serializer === 'json' ? odd : { ...odd, when: new Date(0), big: 2n, set: new Set([1]) };
        const same = app.task('same', async (given: unknown) => given);
        await worker();
        const flow = chain(same.s(value), group(same.s(), chain(same.s(), group(same.s()))), same.s());
        assert.deepEqual(await (await flow.delay()).get(SOON), [value, [value]]);
        assert.deepEqual(await (await group(same.s(value), same.map([value])).delay()).get(SOON), [
          value,
          [value],
        ]);
      }
    });
  });
});

describe('a workflow that runs', () => {
  onEveryEngine((ground) => {
    it('shows in its updates how far what it waits for is: members, or steps', async (t) => {
      const { app, worker } = ground.app(t);
      const { five, sum, show } = flowTasks(app);
      const open = gate();
      const hold = app.task('hold', async (n: number) => {
        await open.opened;
        return n;
      });
      await worker();
      const flows = {
        'a body that is a chain': chord([five.s(), five.s(), hold.s(1)], chain(sum.s(), show.s())),
        'a chain after a group': chain(group(five.s(), five.s(), hold.s(1)), sum.s(), show.s()),
        'a group at the end': chain(five.s(), group(five.si(), five.si(), hold.s())),
        'steps, two of three': chain(five.s(), show.si(1), chain(hold.si(1), show.s())),
      };
      const reached = new Set<string>();
      const waiting = Object.entries(flows).map(async ([name, flow]) => {
        const result = await flow.delay();
        const seen: Update[] = [];
        for await (const update of result.updates()) {
          seen.push(update);
          if (JSON.stringify(update.meta) === '{"completed":2,"total":3}') reached.add(name);
          if (reached.size === Object.keys(flows).length) open.open();
        }
        assert.deepEqual(seen.at(-1), { state: 'SUCCESS', meta: undefined }, name);
        assert.ok(
          seen.slice(0, -1).every(({ state }) => state === 'PENDING' || state === 'STARTED'),
          name,
        );
      });
      await Promise.all(waiting);
      assert.equal(reached.size, 4);
    });

    it('shows a step as revoked from the moment it expires, before its turn, worker or not', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const { five, show } = flowTasks(app);
      // The first call opens the engine, which may take its time.
      await app.result('nobody').exists();
      const moment = new Date(Date.now() + 1000);
      const result = await chain(five.s(), show.s().set({ expires: moment })).delay();
      assert.equal(await result.status, 'PENDING');
      const error = await rejection(twin().result(result.id).get(SOON));
      assert.ok(error instanceof TaskRevokedError);
      assert.ok(Date.now() >= moment.getTime());
      assert.equal(await result.status, 'REVOKED');
      await worker();
      await until(
        async () => (await (result.parent as typeof result).status) === 'SUCCESS',
        'the step before',
      );
      assert.equal(await result.status, 'REVOKED');
    });
  });
});
