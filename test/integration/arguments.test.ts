/**
 * Arguments and results on their way: declared shapes, serializers and sizes, from the call to the method and back.
 */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  chain,
  currentTask,
  InvalidArgumentsError,
  NotSerializableError,
  PayloadTooLargeError,
  type Serializer,
  Task,
  type TaskFailedError,
  TaskService,
} from 'celeriac';
import { Type } from 'class-transformer';
import { IsEmail, IsInt, Min, ValidateNested } from 'class-validator';
import { z } from 'zod';
import { onEveryEngine, rejection } from '../support/app.js';

const PATIENCE = { timeout: '20s' } as const;

class Line {
  @IsInt()
  @Min(1)
  amount!: number;

  double(): number {
    return this.amount * 2;
  }
}

class Order {
  @IsEmail()
  email!: string;

  @ValidateNested()
  @Type(() => Line)
  lines!: Line[];
}

class Shop extends TaskService {
  @Task('order')
  order(order: Order): unknown {
    return [
      order instanceof Order,
      order.lines.every((line) => line instanceof Line),
      order.lines[0]?.double(),
    ];
  }

  @Task('named', { args: [Order, z.coerce.date()] })
  named(order: Order, at: Date): unknown {
    return [order instanceof Order, at instanceof Date, at.toISOString()];
  }
}

const good = { email: 'ada@example.org', lines: [{ amount: 2 }] } as Order;
const bad = { email: 'ada', lines: [{ amount: 0 }] } as Order;

describe('Arguments', () => {
  onEveryEngine((ground) => {
    it('keep the order of their keys, in results, progress and steps too', async (t) => {
      const { app, worker } = ground.app(t);
      const value = { zebra: 1, a: { long: 1, b: [{ y: 1, x: 2 }] }, m: 3 };
      const seen = app.task('seen', (given: object) => ({ z: JSON.stringify(given), given }));
      const next = app.task('next', ({ z, given }: { z: string; given: object }) => [
        z,
        JSON.stringify(given),
      ]);
      const told = app.task('recorded', async () => {
        await currentTask()?.updateState('PROGRESS', value);
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
      });
      let goOn: () => void = () => undefined;
      await worker();
      const result = await (await seen.delay(value)).get(PATIENCE);
      assert.equal(JSON.stringify(result), JSON.stringify({ z: JSON.stringify(value), given: value }));
      const steps = await chain(seen.si(value), next.s()).delay();
      assert.deepEqual(await steps.get(PATIENCE), [JSON.stringify(value), JSON.stringify(value)]);
      const running = await told.delay();
      for await (const { state, meta } of running.updates())
        if (state === 'PROGRESS') {
          assert.equal(JSON.stringify(meta), JSON.stringify(value));
          goOn();
        }
    });

    it('become instances of their DTO classes, nested ones too, found from metadata', async (t) => {
      const { app, worker } = ground.app(t);
      const shop = app.register(new Shop());
      await worker();
      assert.deepEqual(await (await shop.order.delay(good)).get(PATIENCE), [true, true, 4]);
    });

    it('are named by args: DTOs beside schemas that rebuild what JSON has no word for', async (t) => {
      const { app, worker } = ground.app(t);
      const shop = app.register(new Shop());
      await worker();
      const at = new Date('2026-01-02T03:04:05.000Z');
      const result = await shop.named.delay(good, at);
      assert.deepEqual(await result.get(PATIENCE), [true, true, at.toISOString()]);
    });

    it('that are wrong are refused at the call with every violation and its path', async (t) => {
      const { app } = ground.app(t);
      const shop = app.register(new Shop());
      const error = await rejection(shop.order.delay(bad));
      assert(error instanceof InvalidArgumentsError);
      assert.deepEqual(error.violations.map(({ path }) => path).toSorted(), ['0.email', '0.lines.0.amount']);
      const count = await rejection(app.sendTask('named', [good]));
      assert(count instanceof InvalidArgumentsError);
    });

    it('that are wrong fail in the worker when nobody checked them before, and are not retried', async (t) => {
      const { app, twin, worker } = ground.app(t, { taskDefaults: { autoretryFor: true } });
      app.register(new Shop());
      await worker();
      const result = await twin().sendTask('order', [bad]);
      const { cause } = (await rejection(result.get(PATIENCE))) as TaskFailedError;
      assert(cause instanceof InvalidArgumentsError);
      assert.equal(cause.violations.length, 2);
      assert.equal((await result.snapshot()).retries, 0);
    });

    it('and results keep their types under the rich serializer', async (t) => {
      const { app, worker } = ground.app(t, { serializer: 'rich' });
      const echo = app.task('echo', (value: unknown) => value);
      await worker();
      const value = {
        at: new Date(5),
        map: new Map([['k', new Set([1n])]]),
        bytes: new Uint8Array([1, 2]),
        url: new URL('http://a/b'),
      };
      assert.deepEqual(await (await echo.delay(value)).get(PATIENCE), value);
    });

    it('and results go through a serializer of one’s own', async (t) => {
      const serializer: Serializer = {
        name: 'base64',
        encode: (value) => Buffer.from(JSON.stringify(value)).toString('base64'),
        decode: (encoded) => JSON.parse(Buffer.from(String(encoded), 'base64').toString()),
      };
      const { app, worker } = ground.app(t, { serializer });
      const echo = app.task('echo', (value: unknown) => [value]);
      await worker();
      const result = await echo.delay({ secret: 42 });
      assert.deepEqual(await result.get(PATIENCE), [{ secret: 42 }]);
      assert.deepEqual((await result.snapshot()).args, [{ secret: 42 }]);
    });

    it('and results over maxPayloadBytes are refused where they are made', async (t) => {
      const { app, worker } = ground.app(t, { maxPayloadBytes: 1000 });
      const grow = app.task('grow', (times: number) => 'x'.repeat(times));
      await worker();
      assert((await rejection(app.sendTask('grow', ['x'.repeat(1000)]))) instanceof PayloadTooLargeError);
      assert.equal((await (await grow.delay(900)).get(PATIENCE)).length, 900);
      const error = (await rejection((await grow.delay(2000)).get(PATIENCE))) as TaskFailedError;
      assert(error.cause instanceof PayloadTooLargeError);
    });

    it('and results that JSON would change are refused with their path', async (t) => {
      const { app, worker } = ground.app(t);
      const give = app.task('give', (): unknown => ({ list: [1, new Date()] }));
      await worker();
      const call = await rejection(app.sendTask('give', [{ when: new Date() }]));
      assert(call instanceof NotSerializableError);
      assert.match(call.path, /^args\[0\]\.when$/);
      const { cause } = (await rejection((await give.delay()).get(PATIENCE))) as TaskFailedError;
      assert(cause instanceof NotSerializableError);
      assert.match(cause.path, /list\[1\]$/);
    });
  });
});
