import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Type } from 'class-transformer';
import { IsInt, IsString, ValidateNested } from 'class-validator';
import { dtoReader, isDtoClass } from '#src/tasks/dto.js';

class Line {
  @IsInt()
  count!: number;
}

class Order {
  @IsString()
  name!: string;

  @ValidateNested({ each: true })
  @Type(() => Line)
  lines!: Line[];

  get title(): string {
    return `order ${this.name}`;
  }
}

class Express extends Order {}
class Plain {}

describe('A class', () => {
  it('is a DTO when it or its parent has decorators of class-validator', () => {
    assert.deepEqual([Order, Express, Plain].map(isDtoClass), [true, true, false]);
    for (const other of [undefined, null, {}, 'Order', () => 1]) assert.equal(isDtoClass(other), false);
  });
});

describe('An argument that a DTO declares', () => {
  const read = dtoReader(Order);

  it('comes as an instance, and so does what is in it', async () => {
    const { value, violations } = await read({ name: 'a', lines: [{ count: 1 }] }, 'order');
    assert.deepEqual(violations, []);
    assert.ok(value instanceof Order && value.lines[0] instanceof Line);
    assert.equal(value.title, 'order a');
  });

  it('is told every violation, by where it is', async () => {
    const { violations } = await read({ name: 1, lines: [{ count: 1 }, { count: 'x' }] }, 'order');
    assert.deepEqual(
      violations.map(({ path }) => path),
      ['order.name', 'order.lines.1.count'],
    );
  });

  it('is refused where it is no object, and told what it is instead', async () => {
    for (const [given, what] of [
      [null, 'null'],
      [[], 'a list'],
      [undefined, 'nothing'],
      ['x', 'a string'],
    ]) {
      const { value, violations } = await read(given, 'order');
      assert.equal(value, undefined);
      assert.deepEqual(violations, [{ path: 'order', message: `must be an object (Order), got ${what}` }]);
    }
  });

  it('is refused where its class says nothing of it', async () => {
    const { violations } = await dtoReader(Plain)({ a: 1 }, 'x');
    assert.equal(violations.length, 1);
  });
});
