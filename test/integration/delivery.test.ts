import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { TaskFailedError, WorkerLostError } from 'celeriac';
import {
  type Ground,
  onEveryEngine,
  type Program,
  rejection,
  startProgram,
  type TestApp,
} from '../support/app.js';

const LOCK = { lockDuration: 600 };

interface Started {
  readonly started: string;
  readonly retries: number;
  readonly deliveries: number;
}

async function doomedWorker(
  t: TestContext,
  ground: Ground,
  at: TestApp,
  name: string,
  taskOptions = {},
): Promise<Program> {
  const program = startProgram(t, new URL('./programs/doomed-worker.js', import.meta.url), [
    ground.url,
    at.prefix,
    name,
    JSON.stringify(LOCK),
    JSON.stringify(taskOptions),
  ]);
  await program.message<{ ready?: true }>(({ ready }) => ready === true);
  return program;
}

const startedIn = (program: Program, what: string) =>
  program.message<Started>(({ started }) => started === what);

describe('What a killed worker held', () => {
  onEveryEngine(
    (ground) => {
      it('runs elsewhere: each of its tasks once more, at no cost in retries', async (t) => {
        const at = ground.app(t, LOCK);
        await at.app.migrate();
        const first = await doomedWorker(t, ground, at, 'first', { maxRetries: 0 });
        const sent = await Promise.all(['a', 'b', 'c'].map((what) => at.app.sendTask('hold', [what])));
        for (const what of ['a', 'b', 'c']) await startedIn(first, what);
        first.child.kill('SIGKILL');
        assert.equal(await first.ended, 'SIGKILL');
        const second = await doomedWorker(t, ground, at, 'second', { maxRetries: 0 });
        // One at a time, since one of them may have killed the first.
        second.send({ finish: true });
        for (const what of ['a', 'b', 'c']) {
          const { retries, deliveries } = await startedIn(second, what);
          assert.deepEqual({ retries, deliveries }, { retries: 0, deliveries: 2 });
        }
        assert.deepEqual(await Promise.all(sent.map((result) => result.get({ timeout: '20s' }))), [
          'a by second',
          'b by second',
          'c by second',
        ]);
      });

      it('fails with WorkerLostError where acksLate: false forbids a second run', async (t) => {
        const at = ground.app(t, LOCK);
        await at.app.migrate();
        const first = await doomedWorker(t, ground, at, 'first', { acksLate: false });
        const sent = await at.app.sendTask('hold', ['once']);
        await startedIn(first, 'once');
        first.child.kill('SIGKILL');
        const second = await doomedWorker(t, ground, at, 'second', { acksLate: false });
        const error = await rejection(sent.get({ timeout: '20s' }));
        assert(error instanceof TaskFailedError);
        assert(error.cause instanceof WorkerLostError);
        assert.match(error.cause.message, /hold .*died.*acksLate: false/);
        assert.deepEqual(
          second.messages.filter((message) => 'started' in (message as object)),
          [],
        );
      });

      it('fails with WorkerLostError after maxDeliveries dead workers, and is no loop', async (t) => {
        const at = ground.app(t, LOCK);
        await at.app.migrate();
        const sent = await at.app.sendTask('hold', ['poison']);
        for (const name of ['first', 'second']) {
          const doomed = await doomedWorker(t, ground, at, name, { maxDeliveries: 2 });
          await startedIn(doomed, 'poison');
          doomed.child.kill('SIGKILL');
          await doomed.ended;
        }
        const third = await doomedWorker(t, ground, at, 'third', { maxDeliveries: 2 });
        const error = await rejection(sent.get({ timeout: '20s' }));
        assert(error.cause instanceof WorkerLostError);
        assert.match(error.cause.message, /2 workers died/);
        assert.deepEqual(
          third.messages.filter((message) => 'started' in (message as object)),
          [],
        );
        assert.equal((await sent.snapshot()).state, 'FAILURE');
      });

      it('does not take its neighbours along when it kills its workers', async (t) => {
        const at = ground.app(t, LOCK);
        await at.app.migrate();
        const neighbours = await Promise.all(['a', 'b', 'c'].map((what) => at.app.sendTask('hold', [what])));
        const killer = await at.app.sendTask('kill', ['killer']);
        for (let dead = 0; dead < 3; dead++) {
          const doomed = await doomedWorker(t, ground, at, `doomed-${dead}`);
          if (dead === 0) for (const what of ['a', 'b', 'c', 'killer']) await startedIn(doomed, what);
          doomed.send({ finish: true });
          assert.equal(await doomed.ended, 'SIGKILL');
        }
        const last = await doomedWorker(t, ground, at, 'last');
        last.send({ finish: true });
        const error = await rejection(killer.get({ timeout: '20s' }));
        assert(error.cause instanceof WorkerLostError);
        for (const sent of neighbours) assert.match(String(await sent.get({ timeout: '20s' })), /^[abc] by /);
      });
    },
    ['redis', 'postgres'],
  );
});
