import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readRuntimeSettings } from '#src/cli/load/tsconfig.js';
import { OptionError } from '#src/errors.js';

const root = mkdtempSync(join(tmpdir(), 'celeriac-tsconfig-'));
after(() => rmSync(root, { recursive: true, force: true }));

let projects = 0;

/** A project with these files; objects are written as JSON. */
function project(files: Readonly<Record<string, unknown>>): string {
  const folder = join(root, `p${projects++}`);
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

describe("the settings read from a project's tsconfig", () => {
  it('come from the nearest file at or above the folder', () => {
    const folder = project({
      'tsconfig.json': { compilerOptions: { experimentalDecorators: true } },
      'src/deep/x.ts': '',
    });
    assert.equal(readRuntimeSettings(join(folder, 'src/deep')).experimentalDecorators, true);
  });

  it('may have comments, trailing commas, and strings that look like either', () => {
    const folder = project({
      'tsconfig.json': `\uFEFF{ // a comment
        "compilerOptions": { "jsx": "react-jsx", "jsxImportSource": "http://x,}", /* another */ },
      }`,
    });
    const { jsx, jsxImportSource } = readRuntimeSettings(folder);
    assert.deepEqual([jsx, jsxImportSource], ['automatic', 'http://x,}']);
  });

  it("stand over those of their bases, the last base's over the first's", () => {
    const folder = project({
      'a.json': {
        compilerOptions: { target: 'es2020', emitDecoratorMetadata: true, verbatimModuleSyntax: true },
      },
      'b.json': { compilerOptions: { emitDecoratorMetadata: false } },
      'tsconfig.json': { extends: ['./a.json', './b'], compilerOptions: { verbatimModuleSyntax: false } },
    });
    const settings = readRuntimeSettings(folder);
    assert.deepEqual(
      [settings.useDefineForClassFields, settings.emitDecoratorMetadata, settings.verbatimModuleSyntax],
      [false, false, false],
    );
  });

  it('take a base from a package, and pass over one that is not installed', () => {
    const folder = project({
      'node_modules/base/package.json': { name: 'base', exports: { './strict': './s.json' } },
      'node_modules/base/s.json': { compilerOptions: { emitDecoratorMetadata: true } },
      'tsconfig.json': { extends: ['base/strict', '@missing/base/tsconfig.json'] },
    });
    assert.equal(readRuntimeSettings(folder).emitDecoratorMetadata, true);
  });

  it('have absolute aliases: below their own file, or where the variable for the project says', () => {
    const folder = project({
      'config/base.json': {
        compilerOptions: { paths: { '@own/*': ['./own/*'], '@lib/*': [`$\{configDir}/src/*`] } },
      },
      'app/tsconfig.json': { extends: '../config/base.json' },
    });
    assert.deepEqual(
      [...readRuntimeSettings(join(folder, 'app')).paths],
      [
        ['@own/*', [join(folder, 'config/own/*')]],
        ['@lib/*', [join(folder, 'app/src/*')]],
      ],
    );
  });

  it('have aliases below the base URL where there is one', () => {
    const folder = project({
      'tsconfig.json': { compilerOptions: { baseUrl: './src', paths: { '#/*': ['*'] } } },
    });
    const { baseUrl, paths } = readRuntimeSettings(folder);
    assert.equal(baseUrl, join(folder, 'src'));
    assert.deepEqual(paths.get('#/*'), [join(folder, 'src/*')]);
  });

  it('are refused with the file that cannot be read, or that extends itself', () => {
    const broken = project({ 'tsconfig.json': '{ "compilerOptions": ' });
    assert.throws(
      () => readRuntimeSettings(broken),
      (error: unknown) => {
        return error instanceof OptionError && error.message.includes(join(broken, 'tsconfig.json'));
      },
    );
    const circle = project({
      'tsconfig.json': { extends: './other.json' },
      'other.json': { extends: './tsconfig.json' },
    });
    assert.throws(() => readRuntimeSettings(circle), /extends itself: .*other\.json -> .*Remove the circle/);
  });

  it("are TypeScript's defaults without a file", () => {
    const { experimentalDecorators, useDefineForClassFields, paths } = readRuntimeSettings(root);
    assert.deepEqual([experimentalDecorators, useDefineForClassFields, paths.size], [false, true, 0]);
  });
});
