import assert from 'node:assert/strict';
import Module from 'node:module';
import { describe, it } from 'node:test';
import { IsString, ValidateNested } from 'class-validator';
import { InvalidArgumentsError } from '#src/errors.js';
import { compileArguments } from '#src/tasks/arguments.js';

// What Node does where the optional peer is not installed.
const resolve = Reflect.get(Module, '_resolveFilename') as (request: string, ...rest: unknown[]) => string;
Reflect.set(
  Module,
  '_resolveFilename',
  function (this: unknown, request: string, ...rest: unknown[]): string {
    if (request !== 'class-transformer') return resolve.call(this, request, ...rest);
    throw Object.assign(new Error(`Cannot find module '${request}'`), { code: 'MODULE_NOT_FOUND' });
  },
);

class NameDto {
  @IsString()
  name!: string;

  get greeting(): string {
    return `Hello ${this.name}`;
  }
}

class NestingDto {
  @ValidateNested()
  inner!: NameDto;
}

describe('without class-transformer', () => {
  it('a DTO still reaches the method as an instance', async () => {
    const checker = compileArguments([NameDto], { taskName: 'greet', explicit: true });
    const [dto] = (await checker?.materialise([{ name: 'Ada' }])) ?? [];
    assert(dto instanceof NameDto);
    assert.equal(dto.greeting, 'Hello Ada');
  });

  it('a nested object is refused with the package that is missing', async () => {
    const checker = compileArguments([NestingDto], { taskName: 'greet', explicit: true });
    await assert.rejects(
      async () => checker?.check([{ inner: { name: 'Ada' } }]),
      (error) =>
        error instanceof InvalidArgumentsError &&
        error.violations[0]?.path === '0.inner' &&
        /class-transformer/.test(error.violations[0].message),
    );
  });
});
