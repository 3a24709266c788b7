/** The sources of the package as the architecture tests see them: files, their imports, the rooms they are in. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const SRC = join(dirname(fileURLToPath(import.meta.resolve('celeriac/package.json'))), 'src');

export interface SourceFile {
  /** From `src`, with slashes: `protocol/ids.ts`. */
  readonly path: string;
  /** The folder under `src`, or for a file directly in it, its name: `broker`, `options`. */
  readonly room: string;
  /** Without comments. */
  readonly text: string;
  /** As it is written. */
  readonly source: string;
  readonly lines: number;
  /** What it imports from `src`, as paths like its own. */
  readonly local: readonly string[];
  /** The packages it imports, without what is behind their names. */
  readonly packages: readonly string[];
}

/** Reads a source tree; the package's own unless told. */
export function readSources(root = SRC): SourceFile[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => path.split(sep).join('/'))
    .filter((path) => /\.c?ts$/.test(path))
    .sort()
    .map((path) => sourceFile(path, readFileSync(join(root, path), 'utf8')));
}

/** Reads one file's text; `path` says where it would stand. */
export function sourceFile(path: string, text: string): SourceFile {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const specifiers = [...code.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
  const local = specifiers
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) =>
      relative('.', join(dirname(path), specifier))
        .split(sep)
        .join('/')
        .replace(/\.(c?)js$/, '.$1ts'),
    );
  const packages = specifiers
    .filter((specifier) => !/^(\.|node:)/.test(specifier))
    .map((specifier) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier);
  return {
    path,
    room: roomOf(path),
    text: code,
    source: text,
    lines: text.split('\n').length - 1,
    local: [...new Set(local)],
    packages: [...new Set(packages)],
  };
}

export function roomOf(path: string): string {
  const [first = '', rest] = path.split('/');
  return rest === undefined ? first.replace(/\.c?ts$/, '') : first;
}

// `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')` and `import type X = …`; types count as well.
const IMPORT = /\bfrom\s+'([^']+)'|\bimport\s+'([^']+)'|\bimport\(\s*'([^']+)'/g;
