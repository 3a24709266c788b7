import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RegisteredTask } from '#src/tasks/registry.js';
import { childLimits, type PoolSettings, ThreadRouter } from '#src/worker/threads/router.js';

type Pool = 'async' | 'threads' | undefined;

/** A worker whose tasks have these pools of their own, by name. */
function router(settings: Partial<PoolSettings>, tasks: Readonly<Record<string, Pool>> = {}) {
  const warnings: string[] = [];
  let held = 0;
  const params = {
    registry: {
      names: () => Object.keys(tasks),
      get: (name: string) => ({ run: { pool: tasks[name] } }),
    },
    logger: { warn: (_: object, message: string) => warnings.push(message) },
    engine: {
      hold: () => {
        held++;
        return () => held--;
      },
    },
  };
  const all: PoolSettings = {
    pool: 'async',
    module: undefined,
    maxTasksPerChild: undefined,
    maxMemoryPerChild: undefined,
    ...settings,
  };
  return { router: new ThreadRouter(all, params as never), warnings, held: () => held };
}

const task = (pool: Pool) => ({ run: { pool } }) as RegisteredTask;

describe('A task runs in a thread', () => {
  it('by its own pool, or by that of the worker', () => {
    const [inline, threaded] = [router({}), router({ pool: 'threads' })].map(({ router: one }) =>
      ([undefined, 'async', 'threads'] as const).map((pool) => one.takes(task(pool))),
    );
    assert.deepEqual(inline, [false, false, true]);
    assert.deepEqual(threaded, [true, false, true]);
  });
});

describe('A worker', () => {
  it('whose tasks all run inline needs no module, and prepares nothing', async () => {
    const { router: one, warnings, held } = router({}, { a: undefined, b: 'async' });
    one.check();
    await one.prepare();
    await one.announceStop();
    await one.close();
    assert.deepEqual([warnings, held()], [[], 0]);
  });

  it('that needs threads names the reason when there is no module for them', () => {
    const task = router({}, { a: undefined, deep: 'threads' }).router;
    assert.throws(() => task.check(), {
      code: 'OPTION',
      message: /^The task "deep" has pool: 'threads', but/,
    });
    const worker = router({ pool: 'threads' }, { deep: 'threads' }).router;
    assert.throws(() => worker.check(), /^OptionError: app\.worker\(\): pool is 'threads', but/);
    router({ pool: 'threads', module: import.meta.url }).router.check();
  });

  it('lets the broker go again when its first thread cannot start', async () => {
    const { router: one, held } = router({ pool: 'threads' });
    await assert.rejects(one.prepare(), { code: 'OPTION' });
    assert.equal(held(), 0);
    await one.close();
  });

  it('without threads is warned of limits that only they have', () => {
    for (const limits of [{ maxTasksPerChild: 5 }, { maxMemoryPerChild: 1_000_000 }]) {
      const { router: one, warnings } = router(limits as Partial<PoolSettings>);
      one.check();
      assert.match(warnings.join(), /without pool 'threads' or processes they do nothing/);
    }
    const { router: one, warnings } = router({
      maxTasksPerChild: 5,
      pool: 'threads',
      module: import.meta.url,
    });
    one.check();
    assert.deepEqual(warnings, []);
  });

  it('replaces threads and processes by the same limits', () => {
    const settings = { pool: 'async', maxTasksPerChild: 5, maxMemoryPerChild: 7 } as unknown as PoolSettings;
    assert.deepEqual(childLimits(settings), { maxTasks: 5, maxMemoryBytes: 7 });
  });
});
