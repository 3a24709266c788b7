/**
 * Node's module hooks that run a project's TypeScript through its own SWC: one `resolve`, one `load`, no state between
 * calls but caches. The same pair serves `module.registerHooks` (in this thread) and `module.register` (in Node's hooks
 * thread), since both only pass on the result of `next`. `typescript.ts` installs them.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { nearestFile, type RuntimeSettings, readRuntimeSettings } from './tsconfig.js';

/** The shape of `@swc/core` as far as it is used here. */
interface Swc {
  transformSync(source: string, options: object): { code: string };
}

/** How Node reads a file. */
export type ModuleFormat = 'module' | 'commonjs';

/** The result of `resolve` for a file that these hooks handle. */
export interface Resolved {
  readonly url: string;
  readonly format?: ModuleFormat;
  readonly shortCircuit: true;
}

/** The result of `load` for a file that these hooks handle. */
export interface Loaded {
  readonly format: ModuleFormat;
  readonly source: string;
  readonly shortCircuit: true;
}

/** The hooks, and two of their steps for `require` on Node versions without hooks for it. */
export interface TypeScriptHooks {
  resolve<N>(
    specifier: string,
    context: { readonly parentURL?: string | undefined },
    next: (specifier: string, context: object) => N,
  ): N | Resolved;
  load<N>(url: string, context: object, next: (url: string, context: object) => N): N | Loaded;
  /** The file for `specifier`, if Node would not find it by itself. */
  findSource(specifier: string, parentUrl: string | undefined): string | undefined;
  /** JavaScript for a TypeScript file, with an inline source map. */
  compile(file: string, format: ModuleFormat): string;
}

/** Extensions of TypeScript files with code. */
export const TYPESCRIPT_ENDINGS: ReadonlySet<string> = new Set(['.ts', '.tsx', '.mts', '.cts']);

/** Possible extensions on disk for a `.js` in an import (NodeNext style). */
const WRITTEN_AS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    '.js': ['.ts', '.tsx'],
    '.jsx': ['.tsx'],
    '.mjs': ['.mts'],
    '.cjs': ['.cts'],
  }),
);

/** Extensions that an import between TypeScript files may omit (bundler and CommonJS style). */
const LEFT_OFF = ['.ts', '.tsx', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'];

const IN_PACKAGE = /[\\/]node_modules[\\/]/;

/** @param swcPath the project's `@swc/core`, absolute */
export function createTypeScriptHooks(swcPath: string): TypeScriptHooks {
  let swc: Swc | undefined;
  const settingsOf = cached(readRuntimeSettings);

  function findSource(specifier: string, parentUrl: string | undefined): string | undefined {
    const parent = parentUrl?.startsWith('file:') ? fileURLToPath(parentUrl) : undefined;
    const fromTypeScript = parent !== undefined && isTypeScript(parent);
    // Built packages import their files by their real names: hundreds of imports that need no lookup.
    if (!fromTypeScript && parent !== undefined && IN_PACKAGE.test(parent)) return undefined;
    for (const path of pathsFor(
      specifier,
      parentUrl,
      fromTypeScript ? settingsOf(dirname(parent)) : undefined,
    )) {
      const file = onDisk(path, fromTypeScript);
      if (file !== undefined) return realpathSync(file);
    }
    return undefined;
  }

  function compile(file: string, format: ModuleFormat): string {
    const source = readFileSync(file, 'utf8');
    swc ??= createRequire(import.meta.url)(swcPath) as Swc;
    return swc.transformSync(source, swcOptions(file, format, settingsOf(dirname(file)))).code;
  }

  return {
    findSource,
    compile,
    resolve(specifier, context, next) {
      const file = findSource(specifier, context.parentURL);
      if (file === undefined) return next(specifier, context);
      const url = pathToFileURL(file);
      url.search = /\?[^#]*/.exec(specifier)?.[0] ?? '';
      return { url: url.href, shortCircuit: true, ...(isTypeScript(file) ? { format: formatOf(file) } : {}) };
    },
    load(url, context, next) {
      if (!url.startsWith('file:')) return next(url, context);
      const file = fileURLToPath(url);
      if (!isTypeScript(file)) return next(url, context);
      const format = formatOf(file);
      return { format, source: compile(file, format), shortCircuit: true };
    },
  };
}

/** True if `file` has a TypeScript extension. */
export function isTypeScript(file: string): boolean {
  return TYPESCRIPT_ENDINGS.has(extname(file));
}

/** The format in which Node reads the output of `tsc` for this file: by its extension, else by its package.json. */
export function formatOf(file: string): ModuleFormat {
  if (file.endsWith('.mts')) return 'module';
  if (file.endsWith('.cts')) return 'commonjs';
  const manifest = nearestFile(dirname(file), 'package.json');
  if (manifest === undefined) return 'commonjs';
  return JSON.parse(readFileSync(manifest, 'utf8')).type === 'module' ? 'module' : 'commonjs';
}

/** The paths that `specifier` may mean, with the extension still open; none if Node resolves it. */
function pathsFor(
  specifier: string,
  parentUrl: string | undefined,
  settings: RuntimeSettings | undefined,
): string[] {
  const plain = specifier.replace(/[?#].*$/, '');
  if (plain.startsWith('file:')) return [fileURLToPath(plain)];
  if (/^\.{0,2}\//.test(plain) || plain === '.' || plain === '..') {
    return parentUrl?.startsWith('file:') ? [fileURLToPath(new URL(plain, parentUrl))] : [];
  }
  return settings === undefined || plain.startsWith('node:') ? [] : aliasesOf(plain, settings);
}

/** TypeScript's `paths` and `baseUrl`; the longest matching prefix wins. */
function aliasesOf(specifier: string, { paths, baseUrl }: RuntimeSettings): string[] {
  const matches = [...paths]
    .map(([pattern, targets]) => ({ prefix: pattern.split('*')[0] ?? '', pattern, targets }))
    .filter(({ pattern }) => matchAlias(pattern, specifier) !== undefined)
    .sort((a, b) => b.prefix.length - a.prefix.length);
  const best = matches[0];
  if (best !== undefined) {
    const rest = matchAlias(best.pattern, specifier) ?? '';
    return best.targets.map((target) => target.replace('*', () => rest));
  }
  return baseUrl === undefined ? [] : [join(baseUrl, specifier)];
}

/** The part of `specifier` that matches `*` in `pattern`; the empty string for an exact pattern. */
function matchAlias(pattern: string, specifier: string): string | undefined {
  const [prefix = '', suffix] = pattern.split('*');
  if (suffix === undefined) return pattern === specifier ? '' : undefined;
  const fits =
    specifier.length >= prefix.length + suffix.length &&
    specifier.startsWith(prefix) &&
    specifier.endsWith(suffix);
  return fits ? specifier.slice(prefix.length, specifier.length - suffix.length) : undefined;
}

/**
 * The file behind `path`. An existing file of that exact name wins. Between TypeScript files the extension, or
 * `/index`, may be omitted, as `tsc` allows.
 */
function onDisk(path: string, fromTypeScript: boolean): string | undefined {
  if (isFile(path)) return path;
  const ending = extname(path);
  const stem = path.slice(0, path.length - ending.length);
  const written = (WRITTEN_AS.get(ending) ?? []).map((other) => stem + other);
  const leftOff = fromTypeScript
    ? [...LEFT_OFF.map((other) => path + other), ...LEFT_OFF.map((other) => join(path, `index${other}`))]
    : [];
  return [...written, ...leftOff].find(isFile);
}

function swcOptions(file: string, format: ModuleFormat, settings: RuntimeSettings): object {
  const legacy = settings.experimentalDecorators;
  return {
    filename: file,
    swcrc: false,
    configFile: false,
    sourceMaps: 'inline',
    module:
      format === 'module'
        ? { type: 'es6' }
        : { type: 'commonjs', ignoreDynamic: true, exportInteropAnnotation: true },
    jsc: {
      target: 'es2022',
      keepClassNames: true,
      experimental: { keepImportAttributes: true },
      parser: { syntax: 'typescript', tsx: file.endsWith('x'), decorators: true },
      transform: {
        legacyDecorator: legacy,
        decoratorMetadata: legacy && settings.emitDecoratorMetadata,
        ...(legacy ? {} : { decoratorVersion: '2022-03' }),
        useDefineForClassFields: settings.useDefineForClassFields,
        verbatimModuleSyntax: settings.verbatimModuleSyntax && format === 'module',
        ...(settings.jsx === undefined
          ? {}
          : { react: { runtime: settings.jsx, importSource: settings.jsxImportSource } }),
      },
    },
  };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function cached<V>(read: (key: string) => V): (key: string) => V {
  const known = new Map<string, V>();
  return (key) => {
    const found = known.get(key) ?? read(key);
    known.set(key, found);
    return found;
  };
}
