import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('What is written about the house', () => {
  it('shows the floors that are held', () => {
    const held =
      /const FLOORS[^=]*= (\[[\s\S]*?\n\]);/.exec(read('test/architecture/floors.test.ts'))?.[1] ?? '';
    const floors = [...held.matchAll(/\[([^[\]]*)\]/g)].map(([, rooms = '']) =>
      [...rooms.matchAll(/'([^']+)'/g)].map(([, room]) => room).join(' '),
    );
    assert(floors.length > 10);
    const shown = /From low to\s+high:\n\n([\s\S]*?)\n\n/.exec(read('CONTRIBUTING.md'))?.[1] ?? '';
    assert.deepEqual(
      [...shown.matchAll(/`([^`]+)`/g)].map(([, rooms = '']) => rooms.replaceAll('\n', ' ')),
      floors,
    );
  });

  it('names every room', () => {
    const shown = read('docs/internals/README.md');
    const rooms = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((each) =>
      each.isDirectory(),
    );
    for (const { name } of rooms) assert(shown.includes(`\n| \`${name}/\``), name);
  });

  it('leads to files that are there, in at most 25 stops', () => {
    const walk = read('docs/internals/walk.md');
    const links = [...walk.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = '']) => link);
    assert(links.length > 25);
    for (const link of links) assert(existsSync(join(ROOT, 'docs/internals', link)), link);
    for (const [, path = ''] of walk.matchAll(/`((?:coordination|results|broker|canvas)\/[a-z-]+)`/g))
      assert(existsSync(join(ROOT, `src/${path}.ts`)) || existsSync(join(ROOT, `src/${path}`)), path);
    assert((walk.match(/^\d+\. /gm) ?? []).length <= 25);
  });
});
