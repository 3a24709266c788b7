/**
 * One file, compiled twice: with legacy decorators and metadata (test/tsconfig.json), and with standard decorators
 * (test/tsconfig.standard.json). What it shows must not depend on which.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { currentTask, InvalidArgumentsError, OptionError, Task, TaskService } from 'celeriac';
import { IsInt, Min } from 'class-validator';
import { z } from 'zod';
import { onEveryEngine, rejection } from '../support/app.js';

class Amount {
  value!: number;
}
// class-validator's decorators are legacy ones; called as functions they work under both.
IsInt()(Amount.prototype, 'value');
Min(1)(Amount.prototype, 'value');

class Shop extends TaskService {
  static readonly currency = 'EUR';
  readonly #log: string[] = [];
  #total = 0;

  constructor(private readonly name = 'shop') {
    super();
  }

  @Task('shop.sell')
  async sell(item: string, count = 1): Promise<string> {
    this.#log.push(item);
    await this.updateState('SELLING', { item });
    return `${this.name} sold ${count} ${item} (${this.request.name})`;
  }

  @Task()
  sold(): string[] {
    return [...this.#log];
  }

  @Task({ args: [Amount], queue: 'money' })
  earn(amount: Amount): [number, boolean] {
    this.#total += amount.value;
    return [this.#total, amount instanceof Amount];
  }

  @Task('shop.tag', { args: [z.array(z.string())], maxRetries: 0 })
  tag(tags: string[]): string {
    return tags.join(`, ${Shop.currency} `);
  }

  @Task({ autoretryFor: [RangeError], defaultRetryDelay: 1 })
  async flaky(): Promise<number> {
    if (this.request.retries < 2) throw new RangeError('not yet');
    return this.request.retries;
  }

  @Task()
  async meets(other: string): Promise<unknown> {
    const direct = await this.direct(other);
    return { own: this.request.calledDirectly, direct, current: currentTask()?.request.name };
  }

  @Task()
  async direct(word: string): Promise<[string, boolean]> {
    return [this.helper(word), this.request.calledDirectly];
  }

  protected helper(word: string): string {
    return word.toUpperCase();
  }
}

class CornerShop extends Shop {
  @Task('corner.sell')
  override async sell(item: string, count = 1): Promise<string> {
    return `corner: ${await super.sell(item, count)}`;
  }
}

describe('@Task', () => {
  onEveryEngine((ground) => {
    it('makes tasks of methods, with private fields, defaults and names as written', async (t) => {
      const { app, worker } = ground.app(t);
      const shop = app.register(new Shop());
      await worker({ queues: ['celeriac', 'money'] });
      assert.deepEqual(
        [shop.sell.name, shop.sold.name, shop.earn.name, shop.tag.name],
        ['shop.sell', 'Shop.sold', 'Shop.earn', 'shop.tag'],
      );
      const sent = await shop.sell.delay('apples');
      assert.equal(await sent.get({ timeout: '20s' }), 'shop sold 1 apples (shop.sell)');
      assert.deepEqual((await sent.snapshot()).meta, { item: 'apples' });
      assert.equal(
        await (await shop.sell.delay('pears', 2)).get({ timeout: '20s' }),
        'shop sold 2 pears (shop.sell)',
      );
      assert.deepEqual(await (await shop.sold.delay()).get({ timeout: '20s' }), ['apples', 'pears']);
      assert.equal(await (await shop.flaky.delay()).get({ timeout: '20s' }), 2);
    });

    it('checks arguments named by args:, classes and schemas alike, and hands over instances', async (t) => {
      const { app, worker } = ground.app(t);
      const shop = app.register(new Shop());
      await worker({ queues: ['celeriac', 'money'] });
      const earned = await shop.earn.delay({ value: 5 });
      assert.deepEqual(await earned.get({ timeout: '20s' }), [5, true]);
      assert.equal((await earned.snapshot()).queue, 'money');
      const wrong = await rejection(shop.earn.delay({ value: 0.5 }));
      assert(wrong instanceof InvalidArgumentsError);
      assert.deepEqual([...new Set(wrong.violations.map(({ path }) => path))], ['0.value']);
      assert.equal(await (await shop.tag.delay(['a', 'b'])).get({ timeout: '20s' }), 'a, EUR b');
      assert((await rejection(shop.tag.delay([1] as never))) instanceof InvalidArgumentsError);
    });

    it('leaves a direct call a plain call, also inside another task', async (t) => {
      const { app, worker } = ground.app(t);
      const shop = app.register(new Shop());
      await worker();
      assert.deepEqual(await (await shop.meets.delay('me')).get({ timeout: '20s' }), {
        own: false,
        direct: ['ME', true],
        current: 'Shop.meets',
      });
      const plain = new Shop('plain');
      assert.equal(await plain.sell('plums'), 'plain sold 1 plums (shop.sell)');
      assert.deepEqual(plain.sold(), ['plums']);
    });

    it('is inherited, and overridden with super calls in the same running call', async (t) => {
      const { app, worker } = ground.app(t);
      const corner = app.register(new CornerShop('corner'));
      await worker();
      assert.equal(corner.sell.name, 'corner.sell');
      assert.equal(
        await (await corner.sell.delay('figs')).get({ timeout: '20s' }),
        'corner: corner sold 1 figs (corner.sell)',
      );
      assert.deepEqual(await (await corner.sold.delay()).get({ timeout: '20s' }), ['figs']);
    });

    it('keeps calls that run at once apart', async (t) => {
      const { app, worker } = ground.app(t);
      const ids: Record<string, string[]> = {};
      class Busy extends TaskService {
        @Task()
        async run(): Promise<string> {
          const { id } = this.request;
          for (let i = 0; i < 5; i++) {
            await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
            ids[id] = [...(ids[id] ?? []), this.request.id];
          }
          return id;
        }
      }
      const busy = app.register(new Busy());
      await worker({ concurrency: 6 });
      const sent = await Promise.all(Array.from({ length: 6 }, () => busy.run.delay()));
      for (const result of sent) {
        assert.equal(await result.get({ timeout: '20s' }), result.id);
        assert.deepEqual(ids[result.id], Array(5).fill(result.id));
      }
    });
  });

  it('is refused where there is no ordinary method with a string name', () => {
    const decorate = Task() as unknown as (...args: unknown[]) => unknown;
    const legacy = (target: object, key: string | symbol) =>
      decorate(target, key, Object.getOwnPropertyDescriptor(target, key));
    const standard = (value: unknown, kind: string, rest: object = {}) =>
      decorate(value, { kind, name: 'run', static: false, private: false, ...rest });
    class Odd {
      static make(): void {}
      get value(): number {
        return 1;
      }
      [Symbol.iterator](): void {}
    }
    assert.throws(() => legacy(Odd, 'make'), OptionError);
    assert.throws(() => legacy(Odd.prototype, 'value'), OptionError);
    assert.throws(() => legacy(Odd.prototype, Symbol.iterator), OptionError);
    assert.throws(() => standard(undefined, 'field'), OptionError);
    assert.throws(() => standard(Odd, 'class'), OptionError);
    assert.throws(() => standard(() => 1, 'getter'), OptionError);
    assert.throws(() => standard(() => 1, 'method', { static: true }), OptionError);
    assert.throws(() => standard(() => 1, 'method', { name: Symbol('s') }), OptionError);
  });

  it('keeps the name and the length of the method', () => {
    assert.equal(Shop.prototype.sell.name, 'sell');
    assert.equal(Shop.prototype.meets.length, 1);
  });
});
