/**
 * Gets the app from `-A tasks`: finds the module, loads it (TypeScript included), and picks the app among its exports.
 * It must never start or connect anything.
 */
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Celeriac } from '../../app.js';
import { OptionError } from '../../errors.js';
import { registerTypeScript, type TypeScriptCompiler } from './typescript.js';
import { formatOf, isTypeScript } from './typescript-hooks.js';

/** An app, and where it was loaded from. */
export interface LoadedApp {
  readonly app: Celeriac;
  /** What the module exports. */
  readonly exports: Readonly<Record<string, unknown>>;
  /** The module's file, absolute. */
  readonly file: string;
  /** Who compiled it, when it is TypeScript. */
  readonly compiler: TypeScriptCompiler | undefined;
}

const ENDINGS = ['.ts', '.mts', '.js', '.mjs', '.cjs'];
const FOLDERS = ['', 'src', 'dist'];

/**
 * Loads the app that `spec` names: `tasks`, `src/tasks.ts`, `dist/tasks.js`, each with `:exportName` or without.
 * @param folder the folder of your code
 * @param beforeHooks runs once the module is found, before TypeScript's hooks slow down imports
 * @throws {OptionError} when there is no such module, it fails to load, or holds no app or several
 */
export async function loadApp(
  spec: string,
  folder: string = process.cwd(),
  beforeHooks: () => Promise<void> = async () => undefined,
): Promise<LoadedApp> {
  const { name, exportName } = splitSpec(spec);
  const file = findModule(name, folder);
  if (isTypeScript(file)) await beforeHooks();
  const compiler = isTypeScript(file) ? await registerTypeScript(dirname(file), folder) : undefined;
  const exports = await importModule(file, relative(folder, file), folder);
  return { app: pickApp(exports, exportName, spec, relative(folder, file)), exports, file, compiler };
}

/** Splits `tasks:reports` into module and export. A drive letter is no module. */
export function splitSpec(spec: string): { name: string; exportName: string | undefined } {
  const match = /^(.{2,}?|[^:]):([^:\\/]+)$/.exec(spec);
  return match === null
    ? { name: spec, exportName: undefined }
    : { name: match[1] ?? spec, exportName: match[2] };
}

/**
 * The file that `name` refers to: the name itself, then with an extension, then the same below `src/` and `dist/`.
 * @throws {OptionError} listing what was tried
 */
export function findModule(name: string, folder: string): string {
  const folders = isAbsolute(name) ? [''] : FOLDERS;
  const tried = folders.flatMap((below) => ['', ...ENDINGS].map((ending) => join(below, `${name}${ending}`)));
  const found = tried.find((path) => statSync(resolve(folder, path), { throwIfNoEntry: false })?.isFile());
  if (found !== undefined) return resolve(folder, found);
  throw new OptionError(
    `No module for "-A ${name}" in ${folder}. Tried ${name}, ${name}${ENDINGS.join(' ')}` +
      `${folders.length > 1 ? ', and the same in src/ and dist/' : ''}. ` +
      'Run the command in the folder of your code, or give the path of the module that exports your app.',
  );
}

/**
 * Imports one of the user's modules, in the way that its format needs.
 * @param shown what messages call it
 * @param folder messages give other files as paths from here
 * @throws {OptionError} when it fails to load
 */
export async function importModule(
  file: string,
  shown: string,
  folder: string = process.cwd(),
): Promise<Record<string, unknown>> {
  try {
    // CommonJS sources go through `require`, for which even old Node versions have the hooks.
    if (isTypeScript(file) && formatOf(file) === 'commonjs') return asExports(createRequire(file)(file));
    return asExports(await import(pathToFileURL(file).href));
  } catch (error) {
    const { loadFailureText } = await import('./load-failure.js');
    throw new OptionError(loadFailureText(error, { file, shown, folder }), { cause: error });
  }
}

/** Named exports, those of a CommonJS module included (Node shows them below `default`). */
function asExports(module: unknown): Record<string, unknown> {
  if (isApp(module)) return { default: module };
  const named = { ...(module as Record<string, unknown>) };
  const inner = named.default;
  if (typeof inner !== 'object' || inner === null || isApp(inner)) return named;
  return { ...(inner as Record<string, unknown>), ...named };
}

function pickApp(
  exports: Record<string, unknown>,
  exportName: string | undefined,
  spec: string,
  shown: string,
): Celeriac {
  const found = Object.entries(exports).filter(([, value]) => isApp(value));
  const names = found.map(([name]) => name).filter((name) => name !== 'module.exports');
  if (exportName !== undefined) {
    const wanted = exports[exportName];
    if (isApp(wanted)) return wanted;
    const has = names.length === 0 ? 'It exports no Celeriac app.' : `Its apps are: ${names.join(', ')}.`;
    throw new OptionError(
      `"-A ${spec}": ${shown} ${exportName in exports ? `exports "${exportName}", which is no Celeriac app` : `has no export "${exportName}"`}. ${has}`,
    );
  }
  for (const preferred of [exports.app, exports.default]) if (isApp(preferred)) return preferred;
  const apps = new Set(found.map(([, value]) => value as Celeriac));
  const [only] = apps;
  if (only !== undefined && apps.size === 1) return only;
  if (only === undefined) {
    throw new OptionError(
      `${shown} exports no Celeriac app. Add: export const app = new Celeriac('my-app');`,
    );
  }
  throw new OptionError(
    `${shown} exports several apps: ${names.join(', ')}. Say which, as in "-A ${spec}:${names[0]}".`,
  );
}

/**
 * Checks for methods, not for the class, because one process may have two copies of this package. Exports may be
 * proxies that throw at unknown names (the handles of `app.register` do), so each name is looked up before it is read.
 */
function isApp(value: unknown): value is Celeriac {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return APP_METHODS.every((name) => name in value && typeof Reflect.get(value, name) === 'function');
  } catch {
    // A foreign proxy that throws when inspected: no app.
    return false;
  }
}

const APP_METHODS = ['worker', 'register', 'sendTask', 'close'];
