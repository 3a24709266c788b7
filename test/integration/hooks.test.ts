/** Hooks of services run once the outcome of their task is written. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Celeriac, Task, type TaskOptions, TaskService, TimeLimitExceeded } from 'celeriac';
import { Counter, gate, onEveryEngine, rejection, within } from '../support/app.js';

/** A service that notes what its hooks hear, and holds `afterReturn` until told. */
function hooked(app: Celeriac, options: TaskOptions = {}) {
  const heard: unknown[][] = [];
  const [ended, begun] = [new Counter(), gate()];
  const [bodyMayEnd, hooksMayEnd] = [gate(), gate()];
  class Hooked extends TaskService {
    @Task('hooked', options)
    async run(how: string): Promise<string> {
      if (how === 'stuck') await bodyMayEnd.opened;
      if (how === 'fail') throw new RangeError('failed');
      return how;
    }

    async onSuccess(value: unknown, taskId: string): Promise<void> {
      heard.push(['onSuccess', value, await app.result(taskId).status, this.request.id === taskId]);
    }

    async onFailure(error: unknown, taskId: string): Promise<void> {
      heard.push(['onFailure', (error as Error).name, await app.result(taskId).status]);
    }

    async afterReturn(state: string): Promise<void> {
      begun.open();
      await hooksMayEnd.opened;
      heard.push(['afterReturn', state]);
      ended.add();
    }
  }
  return { run: app.register(new Hooked()).run, heard, ended, begun, bodyMayEnd, hooksMayEnd };
}

describe('Hooks', () => {
  onEveryEngine(
    (ground) => {
      it('see the final state; neither a wait, nor a slot, nor a time limit counts them', async (t) => {
        const { app, worker } = ground.app(t);
        const { run, heard, ended, begun, hooksMayEnd } = hooked(app, { timeLimit: 2000 });
        const next = app.task('next', () => 'ran');
        await worker({ concurrency: 1 });
        assert.equal(await (await run.delay('fine')).get({ timeout: '20s' }), 'fine');
        await within(begun.opened, 'the hook');
        assert.equal(await (await next.delay()).get({ timeout: '20s' }), 'ran', 'its slot is free');
        hooksMayEnd.open();
        await ended.reached(1);
        assert.deepEqual(heard, [
          ['onSuccess', 'fine', 'SUCCESS', true],
          ['afterReturn', 'SUCCESS'],
        ]);
      });

      it('run at a hard limit, once, whatever the late end of the body is', async (t) => {
        const { app, worker } = ground.app(t);
        const { run, heard, ended, bodyMayEnd, hooksMayEnd } = hooked(app, { timeLimit: 40 });
        hooksMayEnd.open();
        const running = await worker();
        const error = await rejection((await run.delay('stuck')).get({ timeout: '20s' }));
        assert(error.cause instanceof TimeLimitExceeded);
        await ended.reached(1);
        bodyMayEnd.open();
        await running.stop();
        assert.deepEqual(heard, [
          ['onFailure', 'TimeLimitExceeded', 'FAILURE'],
          ['afterReturn', 'FAILURE'],
        ]);
      });

      it('hold up the end of their worker, not that of their task', async (t) => {
        const { app, worker } = ground.app(t);
        const { run, heard, begun, hooksMayEnd } = hooked(app);
        const running = await worker({ shutdownTimeout: '20s' });
        await rejection((await run.delay('fail')).get({ timeout: '20s' }));
        await within(begun.opened, 'the hook');
        const stopped = running.stop();
        hooksMayEnd.open();
        await stopped;
        assert.deepEqual(heard.at(-1), ['afterReturn', 'FAILURE']);
      });

      it('that throw are logged, each, and do not keep the others from being called', async (t) => {
        const { app, worker, lines } = ground.app(t);
        const called = new Counter();
        class Broken extends TaskService {
          @Task('broken')
          run(): string {
            return 'ran';
          }
          onSuccess(): never {
            throw new Error('broken onSuccess');
          }
          async afterReturn(): Promise<void> {
            called.add();
            this.retry();
          }
        }
        const { run } = app.register(new Broken());
        const running = await worker();
        assert.equal(await (await run.delay()).get({ timeout: '20s' }), 'ran');
        await called.reached(1);
        await running.stop();
        const complaints = lines.filter(({ message }) => message.includes('a hook of broken threw'));
        assert.deepEqual(
          complaints.map(({ level, fields }) => [level, (fields.error as Error).name]),
          [
            ['error', 'Error'],
            ['error', 'RetryRequest'],
          ],
        );
      });

      it('run eagerly before the call returns, since nothing is written', async (t) => {
        const { app } = ground.app(t, { taskAlwaysEager: true });
        const { run, ended, hooksMayEnd } = hooked(app);
        hooksMayEnd.open();
        await (await run.delay('fine')).get();
        assert.equal(ended.count, 1);
      });
    },
    ['redis'],
  );
});
