import 'reflect-metadata';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Task, TaskService } from 'celeriac';
import { Lifecycle } from '#src/nestjs/lifecycle.js';

class Orders extends TaskService {
  @Task('pack')
  pack(): string {
    return 'packed';
  }
}

class Plain {}

interface FakeWrapper {
  readonly instance?: unknown;
  readonly metatype?: unknown;
  readonly isAlias?: boolean;
  readonly isTransient?: boolean;
  readonly inject?: unknown;
  readonly scoped?: boolean;
}

/** A module of Nest's: how deep it is, its providers, and those added to it. */
function moduleOf(distance: number, ...wrappers: FakeWrapper[]) {
  const added: { useValue: Record<string, () => unknown> }[] = [];
  const providers = wrappers.map(({ scoped = false, ...wrapper }, n) => {
    return [n, { ...wrapper, isDependencyTreeStatic: () => !scoped }] as const;
  });
  return {
    distance,
    providers: new Map(providers),
    added,
    addProvider: (provider: (typeof added)[number]) => void added.push(provider),
  };
}

/** An application with these modules, and what becomes of the app in it. */
function application(options: object, ...modules: ReturnType<typeof moduleOf>[]) {
  const done: string[] = [];
  const registered: unknown[] = [];
  const app = {
    register: (service: unknown) => registered.push(service),
    worker: (given: object) => ({
      start: async () => void done.push(`start ${JSON.stringify(given)}`),
      stop: async () => void done.push('stop'),
    }),
    close: async () => void done.push('close'),
  };
  const container = new Map(modules.map((one, n) => [String(n), one]));
  const lifecycle = new Lifecycle(app as never, options as never, container as never);
  return { lifecycle, done, registered };
}

describe('A Nest application', () => {
  it('has the instances with tasks registered, each class once, and no others', () => {
    const orders = new Orders();
    const { lifecycle, registered } = application(
      {},
      moduleOf(1, { instance: orders, metatype: Orders }, { instance: new Plain() }, { instance: undefined }),
      moduleOf(2, { instance: orders, metatype: Orders }, { instance: new Orders(), isAlias: true }),
    );
    lifecycle.onModuleInit();
    assert.deepEqual(registered, [orders]);
  });

  it('has the class registered of what is made anew for each use, unless a factory makes it', () => {
    const scoped = { metatype: Orders, scoped: true };
    const one = application({}, moduleOf(1, scoped, { metatype: Plain, scoped: true }));
    one.lifecycle.onModuleInit();
    assert.deepEqual(one.registered, [Orders]);
    const made = application({}, moduleOf(1, { ...scoped, inject: [] }));
    made.lifecycle.onModuleInit();
    assert.deepEqual(made.registered, []);
    const transient = application({}, moduleOf(1, { metatype: Orders, isTransient: true }));
    transient.lifecycle.onModuleInit();
    assert.deepEqual(transient.registered, [Orders]);
  });

  it('has a worker that starts last and stops first: by the hooks of its root module', async () => {
    const [deep, root] = [moduleOf(3), moduleOf(1)];
    const { lifecycle, done } = application({ worker: { concurrency: 3 } }, deep, root);
    lifecycle.onModuleInit();
    assert.deepEqual([deep.added.length, root.added.length], [0, 1]);
    const hooks = root.added[0]?.useValue;
    await hooks?.onApplicationBootstrap?.();
    await hooks?.onModuleDestroy?.();
    await lifecycle.onApplicationShutdown();
    assert.deepEqual(done, ['start {"concurrency":3}', 'stop', 'stop', 'close']);
  });

  it('has no worker unless one is wanted, and closes no app that was made elsewhere', async () => {
    for (const worker of [undefined, false]) {
      const root = moduleOf(1);
      const { lifecycle, done } = application({ worker, app: {} }, root);
      lifecycle.onModuleInit();
      await lifecycle.onApplicationShutdown();
      assert.deepEqual([root.added.length, done], [0, []]);
    }
  });
});
