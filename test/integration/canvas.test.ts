import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Celeriac, chain, chord, group } from 'celeriac';
import { onEveryEngine, within } from '../support/app.js';

function arithmetic(app: Celeriac) {
  return {
    add: app.task('add', async (a: number, b: number) => a + b),
    double: app.task('double', async (a: number) => a * 2),
    sum: app.task('sum', async (list: number[]) => list.reduce((total, n) => total + n, 0)),
    text: app.task('text', async (value: unknown) => JSON.stringify(value)),
    five: app.task('five', async () => 5),
  };
}

describe('workflows', () => {
  onEveryEngine((ground) => {
    it('run the steps of a chain one after the other, each with the result before it', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, double } = arithmetic(app);
      await worker();
      const result = await chain(add.s(1, 2), double.s(), add.s(4)).delay();
      assert.equal(await within(result.get(), 'the chain'), 10);
    });

    it('give a group its results in order', async (t) => {
      const { app, worker } = ground.app(t);
      const { add } = arithmetic(app);
      await worker();
      const result = await group(add.s(1, 1), add.s(2, 2), add.s(3, 3)).delay();
      assert.deepEqual(await within(result.get(), 'the group'), [2, 4, 6]);
    });

    it('give a chord’s body the list', async (t) => {
      const { app, worker } = ground.app(t);
      const { add, sum } = arithmetic(app);
      await worker();
      const result = await chord(
        [1, 2, 3].map((n) => add.s(n, n)),
        sum.s(),
      ).delay();
      assert.equal(await within(result.get(), 'the chord'), 12);
    });
  });
});
