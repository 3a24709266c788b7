/** Results in another process, which knows the broker and has an id or what `toJSON()` gave, and no task of the app. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { chain, currentTask, group } from 'celeriac';
import { type Ground, gate, onEveryEngine } from '../support/app.js';
import { type Reader, startReader } from '../support/reader.js';

describe('A result in another process', { timeout: 240_000 }, () => {
  onEveryEngine(
    (ground) => {
      it('is followed from its JSON through every state, in order, to its value', async (t) => {
        const { app, worker, reader } = await elsewhere(t, ground);
        const open = gate();
        const climb = app.task('climb', async (steps: number) => {
          await open.opened;
          for (let step = 1; step <= steps; step++) await currentTask()?.updateState('PROGRESS', { step });
          return { steps };
        });
        const sent = await climb.delay(30);
        const json = sent.toJSON();
        const [updates, value] = [reader.ask(json, 'updates'), reader.ask(json, 'get')];
        assert.deepEqual(await gave(reader.ask(json, 'status')), 'PENDING');
        await worker();
        open.open();
        const told = (await gave(updates)) as { state: string; meta: { step: number } }[];
        assert.deepEqual(await gave(value), { steps: 30 });
        const steps = told.filter(({ state }) => state === 'PROGRESS').map(({ meta }) => meta.step);
        assert.deepEqual(
          steps,
          [...new Set(steps)].sort((a, b) => a - b),
        );
        assert.equal(steps.at(-1), 30);
        const order = ['PENDING', 'STARTED', 'PROGRESS', 'SUCCESS'];
        const seen = told.map(({ state }) => order.indexOf(state));
        assert.deepEqual(
          seen,
          [...seen].sort((a, b) => a - b),
        );
        assert.equal(told.at(-1)?.state, 'SUCCESS');
      });

      it('throws what the task threw, and knows what was revoked, is late or was never sent', async (t) => {
        const { app, worker, reader } = await elsewhere(t, ground);
        const fail = app.task('fail', () => Promise.reject(new RangeError('too far')));
        const never = await app.sendTask('nobody-runs-it', [], { queue: 'nobody' });
        await worker();
        const failed = await fail.delay();
        const threw = await thrown(reader.ask(failed.id, 'get'));
        assert.equal(threw.error, 'TaskFailedError');
        assert.deepEqual(threw.cause, { error: 'RangeError', message: 'too far' });
        assert.equal(
          (await thrown(reader.ask(never.id, 'get', { timeout: 100 }))).error,
          'ResultTimeoutError',
        );
        assert.deepEqual(await gave(reader.ask(never.id, 'revoke')), { found: true, was: 'PENDING' });
        assert.equal((await thrown(reader.ask(never.id, 'get'))).error, 'TaskRevokedError');
        const unknown = `${never.id.split('-')[0]}-zzzz@nobody`;
        assert.equal((await thrown(reader.ask(unknown, 'get'))).error, 'UnknownTaskError');
      });

      it('has its parent and children, is forgotten, and a group is restored', async (t) => {
        const { app, worker, reader } = await elsewhere(t, ground);
        const add = app.task('add', (a: number, b: number) => a + b);
        const sum = app.task('sum', (list: number[]) => list.reduce((a, b) => a + b));
        const sent = await chain(add.s(1, 1), group(add.s(1), add.s(2)), sum.s()).delay();
        await worker();
        const json = sent.toJSON();
        assert.equal(await gave(reader.ask(json, 'get')), 7);
        const header = (await gave(reader.ask(json, 'parent'))) as { group: string; of: string[] };
        const first = (await gave(reader.ask(json, 'parent.parent'))) as { task: string };
        assert.deepEqual(await gave(reader.ask(first.task, 'children')), [header]);
        assert.deepEqual(await gave(reader.askGroup(header.group, 'get')), [3, 4]);
        assert.equal(await gave(reader.askGroup(header.group, 'completedCount')), 2);
        assert.deepEqual(await gave(reader.ask(header.of[0] ?? '', 'children')), [{ task: sent.id }]);
        assert.equal(await gave(reader.ask(json, 'exists')), true);
        await gave(reader.ask(json, 'forget'));
        assert.equal(await gave(reader.ask(json, 'exists')), false);
        assert.equal((await thrown(reader.ask(sent.id, 'get'))).error, 'UnknownTaskError');
      });
    },
    ['redis', 'postgres'],
  );
});

async function elsewhere(t: TestContext, ground: Ground) {
  const own = ground.app(t);
  // On PostgreSQL the schema is there once the app has sent.
  await own.app.migrate();
  return { ...own, reader: await startReader(t, ground.url, own.prefix) };
}

async function gave(answer: ReturnType<Reader['ask']>): Promise<unknown> {
  const { gave, threw } = await answer;
  assert.equal(threw, undefined, `${threw?.error}: ${threw?.message}`);
  return gave;
}

async function thrown(answer: ReturnType<Reader['ask']>) {
  const { gave, threw } = await answer;
  assert.ok(threw !== undefined, `gave ${JSON.stringify(gave)}`);
  return threw;
}
