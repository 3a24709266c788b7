import 'reflect-metadata';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Transform, Type } from 'class-transformer';
import { IsDate, IsEmail, IsInt, IsOptional, IsString, Min, ValidateNested } from 'class-validator';
import * as v from 'valibot';
import { z } from 'zod';
import { InvalidArgumentsError, NotSerializableError, OptionError } from '#src/errors.js';
import { type ArgumentChecker, compileArguments } from '#src/tasks/arguments.js';
import { packArguments } from '#src/tasks/outgoing-arguments.js';
import { resolveSerializer } from '#src/tasks/serializer.js';

class ItemDto {
  @IsString()
  sku!: string;
}

class OrderDto {
  @IsEmail()
  email!: string;

  @ValidateNested({ each: true })
  @Type(() => ItemDto)
  items!: ItemDto[];

  @IsOptional()
  @IsInt()
  @Min(1)
  count = 1;

  get first(): string | undefined {
    return this.items[0]?.sku;
  }
}

class MeetingDto {
  @IsDate()
  @Type(() => Date)
  at!: Date;
}

class UntypedMeetingDto {
  @IsDate()
  at!: Date;
}

class LoudDto {
  @IsString()
  @Transform(() => {
    throw new Error('transform failed');
  })
  text!: string;
}

class Plain {
  x = 1;
}

function checkerOf(specs: readonly unknown[], explicit = true): ArgumentChecker {
  const checker = compileArguments(specs, { taskName: 'order', explicit });
  assert(checker !== undefined);
  return checker;
}

async function violationsOf(
  checker: ArgumentChecker,
  args: readonly unknown[],
): Promise<Record<string, string>> {
  try {
    await checker.check(args);
  } catch (error) {
    assert(error instanceof InvalidArgumentsError, String(error));
    assert.match(error.message, /task "order".*Nothing was sent/s);
    return Object.fromEntries(error.violations.map(({ path, message }) => [path, message]));
  }
  return {};
}

const order = { email: 'a@b.de', items: [{ sku: 'x' }] };

describe('a DTO argument', () => {
  const checker = checkerOf([OrderDto, z.string()]);

  it('reports every violation of every argument with its path', async () => {
    const found = await violationsOf(checker, [
      { email: 'no', items: [{ sku: 'x' }, { sku: 1 }], count: 0 },
      5,
    ]);
    assert.deepEqual(Object.keys(found).sort(), ['0.count', '0.email', '0.items.1.sku', '1']);
    assert.equal(found['0.email'], 'email must be an email');
  });

  it('reaches the method as a real instance, nested ones too', async () => {
    await checker.check([order, 'x']);
    const [dto, text] = await checker.materialise([order, 'x']);
    assert(dto instanceof OrderDto && dto.items[0] instanceof ItemDto);
    assert.equal(dto.first, 'x');
    assert.equal(dto.count, 1);
    assert.equal(text, 'x');
  });

  it('is refused as anything but an object', async () => {
    for (const wrong of ['x', null, undefined, [order], 5]) {
      assert.match((await violationsOf(checker, [wrong, 'x']))['0'] ?? '', /must be an object \(OrderDto\)/);
    }
  });

  it('cannot be slipped past its class by __proto__ or constructor', async () => {
    for (const text of ['{"__proto__":{"email":"a@b.de"}}', '{"constructor":{"name":"X"},"email":1}']) {
      const found = await violationsOf(checker, [JSON.parse(text), 'x']);
      assert('0.email' in found, JSON.stringify(found));
    }
  });

  it('whose transformation throws is a violation, not a crash', async () => {
    const found = await violationsOf(checkerOf([LoudDto]), [{ text: 'x' }]);
    assert.match(found['0'] ?? '', /transform failed/);
  });

  it('is checked where metadata names it, and other classes are not', async () => {
    assert.equal(
      compileArguments([String, Object, Plain, undefined, Array], { taskName: 't', explicit: false }),
      undefined,
    );
    const emitted = checkerOf([String, OrderDto], false);
    assert.deepEqual(Object.keys(await violationsOf(emitted, [1, { email: 'x', items: [] }, 'more'])), [
      '1.email',
    ]);
    assert.deepEqual(await violationsOf(emitted, ['x']), {});
  });
});

describe('Standard Schema arguments', () => {
  it('are checked without a promise when they are synchronous', () => {
    const checker = checkerOf([z.string(), v.number()]);
    assert.equal(checker.check(['a', 1]), undefined);
    assert.deepEqual(checker.materialise(['a', 1]), ['a', 1]);
    assert.throws(() => checker.check([1, 'a']), InvalidArgumentsError);
  });

  it('give paths from zod and valibot alike', async () => {
    const shape = { items: [{ sku: 1 }] };
    const zod = checkerOf([z.object({ items: z.array(z.object({ sku: z.string() })) })]);
    const valibot = checkerOf([v.object({ items: v.array(v.object({ sku: v.string() })) })]);
    assert.deepEqual(Object.keys(await violationsOf(zod, [shape])), ['0.items.0.sku']);
    assert.deepEqual(Object.keys(await violationsOf(valibot, [shape])), ['0.items.0.sku']);
  });

  it('may be functions, may be asynchronous, and may throw', async () => {
    const callable = Object.assign(() => {}, { '~standard': z.string()['~standard'] });
    assert.deepEqual(Object.keys(await violationsOf(checkerOf([callable]), [1])), ['0']);
    const slow = z.string().refine(async (text) => text === 'ok', 'is not ok');
    assert.deepEqual(await violationsOf(checkerOf([slow]), ['no']), { 0: 'is not ok' });
    assert.deepEqual(await checkerOf([slow]).materialise(['ok']), ['ok']);
    const broken = z.string().refine(() => {
      throw new Error('db down');
    });
    assert.match((await violationsOf(checkerOf([broken]), ['x']))['0'] ?? '', /db down/);
  });

  it('transform in the worker, defaults of missing arguments included', () => {
    const checker = checkerOf([
      z.string().transform((text) => text.length),
      z.string().optional(),
      z.number().default(3),
    ]);
    assert.deepEqual(checker.materialise(['four']), [4, undefined, 3]);
    assert.deepEqual(checkerOf([z.string(), z.string().optional()]).materialise(['a']), ['a']);
  });

  it('are counted where they are given by args:', async () => {
    const checker = checkerOf([z.string(), z.number().optional()]);
    assert.deepEqual(await violationsOf(checker, ['a', 1, 2]), {
      2: 'is one too many: the task declares 2 arguments',
    });
    assert.deepEqual(Object.keys(await violationsOf(checker, [])), ['0']);
    assert.deepEqual(await violationsOf(checker, ['a', undefined, undefined]), {});
    assert.deepEqual(Object.keys(await violationsOf(checkerOf([]), [1])), ['0']);
  });
});

describe('args: that declare nothing', () => {
  it('are refused where they are written', () => {
    for (const [spec, text] of [
      [Plain, /args\[0\] is the class Plain/],
      [Date, /class Date/],
      [undefined, /import each other/],
      ['string', /args\[0\] is string/],
    ] as const) {
      assert.throws(() => compileArguments([spec], { taskName: 't', explicit: true }), OptionError);
      assert.throws(() => compileArguments([spec], { taskName: 't', explicit: true }), text);
    }
  });
});

describe('a Date on its way through plain JSON', () => {
  const at = new Date(86_400_000);

  it('passes where the declared schema rebuilds it', async () => {
    for (const [spec, arg] of [
      [z.object({ at: z.coerce.date() }), { at }],
      [MeetingDto, { at }],
      [MeetingDto, Object.assign(new MeetingDto(), { at })],
    ] as const) {
      const checker = checkerOf([spec]);
      const payload = await packArguments([arg], checker);
      assert.deepEqual(payload, [{ at: '1970-01-02T00:00:00.000Z' }]);
      const [back] = await checker.materialise(JSON.parse(JSON.stringify(payload)));
      assert.deepEqual((back as { at: Date }).at, at);
    }
    assert.deepEqual(await packArguments([7n], checkerOf([z.coerce.bigint()])), ['7']);
  });

  it('is refused where it would arrive as a string, or not be accepted there', async () => {
    for (const [spec, arg, text] of [
      [z.object({ at: z.any() }), { at }, /args\[0\]\.at .*keeps its JSON form/],
      [z.object({ at: z.date() }), { at }, /args\[0\]\.at .*refuses its JSON form/],
      [UntypedMeetingDto, { at }, /args\[0\]\.at .*refuses its JSON form/],
    ] as const) {
      const packed = Promise.resolve().then(() => packArguments([arg], checkerOf([spec])));
      await assert.rejects(packed, NotSerializableError);
      await assert.rejects(packed, text);
    }
    assert.throws(() => packArguments([at], checkerOf([Object])), NotSerializableError);
    assert.throws(() => packArguments([at], undefined), NotSerializableError);
  });

  it("needs no schema under 'rich'", () => {
    packArguments([at], undefined, resolveSerializer('rich'));
    packArguments([at], checkerOf([z.date()]), resolveSerializer('rich'));
  });
});
