/** Decorators beside `@Task`, above and below it: compiled under both dialects, like everything in this folder. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, currentTask, Task, TaskService } from 'celeriac';

type Method = (this: unknown, ...args: never[]) => unknown;

/** A method decorator of either dialect, from a function that wraps. */
function wrapping(wrap: (was: Method) => Method) {
  return (target: unknown, _: unknown, descriptor?: PropertyDescriptor): never =>
    (descriptor === undefined
      ? wrap(target as Method)
      : { ...descriptor, value: wrap(descriptor.value as Method) }) as never;
}

const Around = (tag: string) =>
  wrapping(
    (was) =>
      async function (this: unknown, ...args) {
        return `${tag}(${await was.apply(this, args)})`;
      },
  );

const Twice = wrapping(
  (was) =>
    async function (this: unknown, ...args) {
      return [await was.apply(this, args), await was.apply(this, args)];
    },
);

const Sealed = (cls: { prototype: object }): void => void Object.freeze(cls.prototype);

class Things extends TaskService {
  readonly #tag = 'own';

  @Around('above')
  @Task('above')
  async above(x: string): Promise<string> {
    return `${x} ${this.#tag} ${this.request.name}`;
  }

  @Task('below')
  @Around('below')
  async below(x: string): Promise<string> {
    return `${x} ${this.#tag} ${this.request.name}`;
  }

  @Around('a')
  @Task('between', { args: [] })
  @Around('b')
  async between(): Promise<string> {
    return 'x';
  }

  @Twice
  @Task('twice')
  async twice(): Promise<string> {
    return this.request.id;
  }

  @Around('outer')
  @Task('recursive')
  async recursive(deep = false): Promise<string> {
    return deep ? String(this.request.calledDirectly) : this.recursive(true);
  }
}

class More extends Things {
  override async above(x: string): Promise<string> {
    return `more ${await super.above(x)}`;
  }
}

@Sealed
class Frozen extends TaskService {
  @Around('frozen')
  @Task()
  async job(): Promise<string | undefined> {
    return currentTask()?.request.name;
  }
}

describe('A decorator beside @Task', () => {
  const app = new Celeriac('stacked', { broker: 'redis://127.0.0.1:1/0' });
  const things = app.register(new Things());

  it('above it wraps the task: what it makes of the method is what runs', async () => {
    assert.equal(await (await things.above.apply(['x'])).get(), 'above(x own above)');
    assert.equal(await (await things.between.apply([])).get(), 'a(b(x))');
    assert.equal(things.above.name, 'above');
  });

  it('below it is part of the task', async () => {
    assert.equal(await (await things.below.apply(['x'])).get(), 'below(x own below)');
  });

  it('above it may call the task again, which is the same call; the task calling itself is a plain call', async () => {
    const result = await things.twice.apply([]);
    assert.deepEqual(await result.get(), [result.id, result.id] as never);
    assert.equal(await (await things.recursive.apply([])).get(), 'outer(outer(true))');
  });

  it('and the class around are registered as one class, again and again, from the class too', async (t) => {
    const other = new Celeriac('stacked', { broker: 'redis://127.0.0.1:1/0' });
    t.after(() => other.close());
    other.register(Things);
    other.register(Things);
    assert.equal(other.tasks(Things).twice.name, 'twice');
    const frozen = other.register(new Frozen());
    assert.equal(await (await frozen.job.apply([])).get(), 'frozen(Frozen.job)');
  });

  it('is kept around by an override', async (t) => {
    const other = new Celeriac('stacked', { broker: 'redis://127.0.0.1:1/0' });
    t.after(() => other.close());
    const more = other.register(new More());
    assert.equal(await (await more.above.apply(['x'])).get(), 'more above(x own above)');
  });
});
