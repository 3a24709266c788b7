/** What the manifest promises whoever installs the package. What comes of it is tried in test/packages. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { SRC } from './source.js';

interface Manifest {
  readonly types: string;
  readonly main: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly typesVersions: { readonly '*': Readonly<Record<string, readonly string[]>> };
  readonly exports: Readonly<Record<string, string | Conditions>>;
}

interface Conditions {
  readonly import: { readonly types: string; readonly default: string };
  readonly require: { readonly types: string; readonly default: string };
  readonly default: string;
}

const ROOT = dirname(SRC);
const manifest = read<Manifest>('package.json');
const entries = Object.entries(manifest.exports).filter(
  (entry): entry is [string, Conditions] => typeof entry[1] !== 'string',
);

describe('src', () => {
  it('holds sources only: what a compiler makes goes to dist and build', () => {
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      files.filter((path) => /\.[^/\\]+$/.test(path) && !/\.c?tsx?$/.test(path)),
      [],
    );
  });
});

describe('the manifest', () => {
  it('gives every entry point to import and to require: one module, the types of either format', () => {
    assert(entries.length >= 3);
    for (const [name, { import: esm, require: commonJs, default: other }] of entries) {
      assert.equal(commonJs.default, esm.default, name);
      assert.equal(other, esm.default, name);
      assert.equal(commonJs.types, esm.types.replace('./dist/', './dist/commonjs/'), name);
      for (const path of [esm.types, esm.default, commonJs.types])
        assert(existsSync(join(ROOT, path)), `${path} of "${name}" is not built`);
    }
  });

  it('gives the types of every entry point to compilers that do not read "exports"', () => {
    const old = Object.fromEntries(
      Object.entries(manifest.typesVersions['*']).map(([name, paths]) => [`./${name}`, paths[0]]),
    );
    const today = Object.fromEntries(entries.map(([name, { import: esm }]) => [name, esm.types]));
    assert.deepEqual({ '.': manifest.types, ...old }, today);
    assert.equal(manifest.main, manifest.exports['.'] && entries[0]?.[1].default);
  });

  it('asks for what BullMQ pins at the same version, so that nobody installs it twice', () => {
    const pinned = read<Manifest>('node_modules/bullmq/package.json').dependencies;
    for (const [name, version] of Object.entries(manifest.dependencies))
      if (pinned[name] !== undefined) assert.equal(version, pinned[name], name);
  });

  it('needs no package twice', () => {
    const { packages } = read<{ packages: Record<string, { dev?: true; optional?: true; peer?: true }> }>(
      'package-lock.json',
    );
    const needed = Object.entries(packages)
      .filter(([path, { dev, peer }]) => path !== '' && dev !== true && peer !== true)
      .map(([path]) => path.replace(/^.*node_modules\//, ''));
    assert.deepEqual(
      needed.filter((name, at) => needed.indexOf(name) !== at),
      [],
    );
  });
});

function read<T>(path: string): T {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as T;
}
