/**
 * Makes `dist/commonjs/`: the types of the package's entry points once more, as those of a CommonJS package. Node lets
 * `require()` load the modules themselves, but TypeScript (`module: node16`, and `nodenext` before 5.8) refuses to import
 * types of an ES module from a CommonJS file. It reads the format out of the nearest `package.json`.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const DIST = join(ROOT, 'dist');
const TARGET = join(DIST, 'commonjs');

const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const entries = Object.values(exports).flatMap(({ import: esm }) => (esm === undefined ? [] : [esm.types]));
const found = new Set();
for (const entry of entries) collect(join(ROOT, entry));

rmSync(TARGET, { recursive: true, force: true });
for (const file of found) {
  const copy = join(TARGET, relative(DIST, file));
  mkdirSync(dirname(copy), { recursive: true });
  cpSync(file, copy);
}
writeFileSync(join(TARGET, 'package.json'), '{ "type": "commonjs" }\n');

/** Every declaration file that `file` leads to. */
function collect(file) {
  if (found.has(file)) return;
  found.add(file);
  const text = readFileSync(file, 'utf8');
  for (const [, one, other] of text.matchAll(/\bfrom '(\.[^']+)'|\bimport\(["'](\.[^"']+)["']\)/g))
    collect(resolve(dirname(file), (one ?? other).replace(/\.js$/, '.d.ts')));
}
