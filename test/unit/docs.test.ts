/** The reference pages name everything there is. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Celeriac, isCeleriacError, Task } from '#src/index.js';
import { resolveCall } from '#src/options/call-options.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.resolve('#src/index.js'))));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const NO_SUCH_OPTION = 'zzzzzzzzzzzz';

describe('docs/reference/options.md', () => {
  const page = read('docs/reference/options.md');
  const bad: object = { [NO_SUCH_OPTION]: 1 };
  const app = new Celeriac('docs', { broker: 'memory://' });
  const readers: Record<string, () => unknown> = {
    'the app': () => new Celeriac('docs', bad),
    'a task': () => Task(bad),
    'a call': () => resolveCall(bad, 0, 'call'),
    'a worker': () => app.worker(bad),
  };
  for (const [whose, reader] of Object.entries(readers)) {
    it(`has every option of ${whose}`, () => {
      const missing = namesRefusedBy(reader).filter((name) => !page.includes(`\`${name}\``));
      assert.deepEqual(missing, []);
    });
  }
});

describe('docs/reference/errors.md', () => {
  it('has every code', () => {
    const page = read('docs/reference/errors.md');
    const union = /export type CeleriacErrorCode =([^;]*);/.exec(read('src/errors/base.ts'))?.[1] ?? '';
    const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => `\`${code}\``);
    assert.ok(codes.length > 20);
    assert.deepEqual(
      codes.filter((code) => !page.includes(`| ${code}`)),
      [],
    );
  });
});

describe('the documents', () => {
  const folder = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...folder.map((file) => `docs/${file}`)];
  for (const page of pages.filter((file) => file.endsWith('.md'))) {
    it(`${page} links to what is there`, () => {
      const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link ?? '');
      const local = links
        .filter((link) => !/^(https?:|#)/.test(link))
        .map((link) => link.replace(/#.*$/, ''));
      const dead = local.filter((link) => !existsSync(join(ROOT, dirname(page), link)));
      assert.deepEqual(dead, []);
    });
  }
});

/** Every reader of options lists the known ones when it is given one that resembles none. */
function namesRefusedBy(reader: () => unknown): string[] {
  try {
    reader();
  } catch (error) {
    if (!isCeleriacError(error, 'OPTION')) throw error;
    const known = /Known: (.*)\.$/.exec(error.message)?.[1];
    return known?.split(', ') ?? [];
  }
  throw new assert.AssertionError({ message: `an unknown option was accepted by ${reader}` });
}
