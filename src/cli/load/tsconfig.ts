/**
 * The few settings of the project's tsconfig.json that change how its code runs: decorators, class fields, JSX, path
 * aliases. Read here because TypeScript 7 has no JavaScript API to ask, and because a base that is missing must not stop
 * a worker: production installs leave such packages out. Types are never checked.
 */
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { OptionError } from '../../errors.js';

/** The settings a compiler needs to run a file as `tsc` would build it. */
export interface RuntimeSettings {
  readonly experimentalDecorators: boolean;
  readonly emitDecoratorMetadata: boolean;
  readonly useDefineForClassFields: boolean;
  readonly verbatimModuleSyntax: boolean;
  readonly jsx: 'automatic' | 'classic' | undefined;
  readonly jsxImportSource: string | undefined;
  /** Alias pattern (`@lib/*`) to absolute target patterns, in the order to try. */
  readonly paths: ReadonlyMap<string, readonly string[]>;
  /** Absolute; non-relative names are looked up below it. */
  readonly baseUrl: string | undefined;
}

type CompilerOptions = Record<string, unknown>;

/** Stands at the beginning of a path for the folder of the project's own tsconfig. */
const CONFIG_DIR = /^\$\{configDir\}/;

/** Settings from the nearest `tsconfig.json` at or above `folder`; TypeScript's defaults when there is none. */
export function readRuntimeSettings(folder: string): RuntimeSettings {
  const file = nearestFile(folder, 'tsconfig.json');
  const options = file === undefined ? {} : readOptions(file, [], dirname(file));
  const target = String(options.target ?? 'es2022').toLowerCase();
  const jsx = String(options.jsx ?? '');
  return {
    experimentalDecorators: options.experimentalDecorators === true,
    emitDecoratorMetadata: options.emitDecoratorMetadata === true,
    useDefineForClassFields:
      typeof options.useDefineForClassFields === 'boolean'
        ? options.useDefineForClassFields
        : /^(esnext|es20(2[2-9]|[3-9]\d))$/.test(target),
    verbatimModuleSyntax: options.verbatimModuleSyntax === true,
    jsx: jsx.startsWith('react-jsx') ? 'automatic' : jsx === 'react' ? 'classic' : undefined,
    jsxImportSource: typeof options.jsxImportSource === 'string' ? options.jsxImportSource : undefined,
    paths: options.paths instanceof Map ? options.paths : new Map(),
    baseUrl: typeof options.baseUrl === 'string' ? options.baseUrl : undefined,
  };
}

/** The closest `name` at or above `folder`. */
export function nearestFile(folder: string, name: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const file = join(at, name);
    if (statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
    if (dirname(at) === at) return undefined;
  }
}

/**
 * `compilerOptions` of a tsconfig over those of its bases, with absolute paths.
 * @param project folder of the project's own tsconfig: what `${configDir}` means, also in a base
 */
function readOptions(file: string, seen: readonly string[], project: string): CompilerOptions {
  if (seen.includes(file)) {
    throw new OptionError(`${file} extends itself: ${[...seen, file].join(' -> ')}. Remove the circle.`);
  }
  const config = parseJsonWithComments(file);
  const bases = typeof config.extends === 'string' ? [config.extends] : config.extends;
  const merged: CompilerOptions = {};
  for (const base of Array.isArray(bases) ? bases : []) {
    const found = findBase(String(base), file);
    if (found !== undefined) Object.assign(merged, readOptions(found, [...seen, file], project));
  }
  return Object.assign(merged, absolutePaths(asObject(config.compilerOptions), dirname(file), project));
}

function absolutePaths(options: CompilerOptions, folder: string, project: string): CompilerOptions {
  const result = { ...options };
  const absolute = (path: string, root: string) =>
    resolve(
      root,
      path.replace(CONFIG_DIR, () => project),
    );
  if (typeof options.baseUrl === 'string') result.baseUrl = absolute(options.baseUrl, folder);
  if (options.paths !== undefined) {
    const root = typeof result.baseUrl === 'string' ? result.baseUrl : folder;
    result.paths = new Map(
      Object.entries(asObject(options.paths)).map(([pattern, targets]) => [
        pattern,
        (Array.isArray(targets) ? targets : []).map((target) => absolute(String(target), root)),
      ]),
    );
  }
  return result;
}

/** Undefined if the base cannot be found: it may come with a package that only the type check needs. */
function findBase(name: string, from: string): string | undefined {
  const isPath = name.startsWith('.') || isAbsolute(name);
  const candidates = isPath
    ? [resolve(dirname(from), name), resolve(dirname(from), `${name}.json`)]
    : [name, `${name}.json`, `${name}/tsconfig.json`];
  const require = createRequire(from);
  for (const candidate of candidates) {
    try {
      const file = isPath ? candidate : require.resolve(candidate);
      if (file.endsWith('.json') && statSync(file).isFile()) return file;
    } catch {
      // No such file: try the next candidate.
    }
  }
  return undefined;
}

/** A comment or a string, whichever starts first, so that `"http://…"` is no comment. */
const STRING_OR_COMMENT = /"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const STRING_OR_TRAILING_COMMA = /"(?:\\.|[^"\\])*"|,(?=\s*[}\]])/g;

function parseJsonWithComments(file: string): Record<string, unknown> {
  const text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  const plain = text
    .replace(STRING_OR_COMMENT, (part) => (part.startsWith('"') ? part : ' '))
    .replace(STRING_OR_TRAILING_COMMA, (part) => (part.startsWith('"') ? part : ''));
  try {
    return asObject(JSON.parse(plain));
  } catch (error) {
    throw new OptionError(`${file} is not readable as a tsconfig: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
