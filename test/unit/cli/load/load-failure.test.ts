/** Why a module could not be loaded: each kind of broken code, as it is told in the terminal. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadApp } from '#src/cli/load/app.js';
import { isCeleriacError } from '#src/errors.js';
import { project } from '../../../support/cli.js';

const ESM = '{ "type": "module" }';

/** What loading the module says. */
async function failure(
  t: Parameters<typeof project>[0],
  files: Record<string, string>,
  spec: string,
): Promise<string> {
  const folder = project(t, { 'package.json': ESM, ...files });
  try {
    await loadApp(spec, folder);
  } catch (error) {
    assert.ok(isCeleriacError(error, 'OPTION'));
    return error.message;
  }
  throw new Error('it was loaded');
}

describe('a module that cannot be loaded', () => {
  it('is told with the place and the lines of a syntax error in TypeScript, and nothing of the compiler', async (t) => {
    const source =
      'import { Celeriac } from "celeriac";\nexport const app = new Celeriac("x"\nconst y = 1;\n';
    const text = await failure(t, { 'src/tasks.ts': source }, 'tasks');
    assert.equal(
      text,
      [
        "src/tasks.ts:3:1: src/tasks.ts could not be loaded: syntax error: Expected ',', got 'const'.",
        '   1 | import { Celeriac } from "celeriac";',
        '   2 | export const app = new Celeriac("x"',
        '   3 | const y = 1;',
        '     | ^^^^^',
      ].join('\n'),
    );
  });

  it('is told with the place and the line of one in JavaScript, of both kinds', async (t) => {
    for (const file of ['tasks.mjs', 'tasks.cjs']) {
      const text = await failure(t, { [file]: 'let a = {;\n' }, 'tasks');
      assert.match(
        text,
        new RegExp(`^${file}:1: ${file} could not be loaded: SyntaxError: Unexpected token ';'\\.\\n`),
      );
      assert.match(text, /\n {2}let a = \{;\n {2} +\^$/);
    }
    const inner = await failure(
      t,
      { 'tasks.mjs': 'import "./other.mjs";', 'other.mjs': 'let a = {;' },
      'tasks',
    );
    assert.match(inner, /SyntaxError: .*, in a module that it imports\.$/);
  });

  it('is told what to do about a decorator in JavaScript', async (t) => {
    const text = await failure(t, { 'tasks.js': 'class S { @Task("x") x() {} }\n' }, 'tasks');
    assert.match(text, /^tasks\.js:1: .* Node's JavaScript has no decorators: write app\.task\('name'/);
  });

  it('is told with the name of the error, and the place it was thrown at', async (t) => {
    const files = {
      'tasks.mjs': 'import { boom } from "./lib/db.mjs";\nboom();\n',
      'lib/db.mjs': 'export function boom() {\n  throw new Error("at import");\n}\n',
    };
    assert.equal(
      await failure(t, files, 'tasks'),
      'lib/db.mjs:2:9: tasks.mjs could not be loaded: Error: at import.',
    );
    assert.equal(
      await failure(t, { 'tasks.mjs': 'throw { code: 7 };' }, 'tasks'),
      'tasks.mjs could not be loaded: it threw { code: 7 }.',
    );
    assert.match(
      await failure(t, { 'tasks.mjs': 'import "no-such-package";' }, 'tasks'),
      /^tasks\.mjs could not be loaded: Cannot find package 'no-such-package' imported from .*tasks\.mjs\.$/,
    );
  });
});
