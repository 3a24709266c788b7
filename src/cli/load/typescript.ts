/**
 * `registerTypeScript()`: afterwards this thread can import and require the project's TypeScript files. Call it in
 * every thread and child process that loads the app module; a second call does no harm.
 *
 * Uses the project's SWC if it has one, since only SWC emits decorator metadata at run time; else tsx; else throws an
 * error that says what to install. It must win over Node's own type stripping, which stops at the first decorator.
 */
import { readFile } from 'node:fs/promises';
import nodeModule, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OptionError } from '../../errors.js';
import { createTypeScriptHooks, TYPESCRIPT_ENDINGS, type TypeScriptHooks } from './typescript-hooks.js';

/** The compiler: `swc` keeps decorator metadata, `tsx` does not (DTOs must be named by `args:` there). */
export type TypeScriptCompiler = 'swc' | 'tsx';

/**
 * Lets this thread load TypeScript.
 * @param folders searched in this order: the first project that has `@swc/core` or `tsx` provides it, never this
 * package
 * @throws {OptionError} when none has
 */
export async function registerTypeScript(...folders: string[]): Promise<TypeScriptCompiler> {
  for (const place of folders) {
    const project = createRequire(join(place, 'package.json'));
    const swcPath = find(project, '@swc/core');
    if (swcPath !== undefined) {
      registerSwc(swcPath);
      return 'swc';
    }
    const tsxManifest = find(project, 'tsx/package.json');
    if (tsxManifest !== undefined) {
      await registerTsx(tsxManifest);
      return 'tsx';
    }
  }
  throw new OptionError(
    'TypeScript needs a compiler here, and this project has none. Run "npm install --save-dev @swc/core", ' +
      'or name the built file, as in "-A dist/tasks.js".',
  );
}

/** Loads tsx through its ESM exports: if it is required, its ESM hooks do not find their own files on Node 20. */
async function registerTsx(manifestPath: string): Promise<void> {
  const { exports } = JSON.parse(await readFile(manifestPath, 'utf8')) as TsxManifest;
  for (const entry of ['./cjs/api', './esm/api'] as const) {
    const file = join(dirname(manifestPath), exports[entry].import.default);
    const api = (await import(pathToFileURL(file).href)) as { register(): unknown };
    api.register();
  }
}

interface TsxManifest {
  readonly exports: Record<'./cjs/api' | './esm/api', { import: { default: string } }>;
}

/** Parts of `node:module` that its types lack: new in 22.15, or undocumented. */
interface ModuleInternals {
  registerHooks?(hooks: Pick<TypeScriptHooks, 'resolve' | 'load'>): unknown;
  _extensions: Record<string, (module: CompilingModule, filename: string) => void>;
  _resolveFilename(
    request: string,
    parent: { filename?: string | null } | undefined,
    ...rest: unknown[]
  ): string;
}

interface CompilingModule {
  _compile(code: string, filename: string): void;
}

function registerSwc(swcPath: string): void {
  const internals = nodeModule as unknown as ModuleInternals;
  const hooks = createTypeScriptHooks(swcPath);
  process.setSourceMapsEnabled(true);
  if (typeof internals.registerHooks === 'function') {
    internals.registerHooks(hooks);
    return;
  }
  nodeModule.register(`./typescript-thread.js?swc=${encodeURIComponent(swcPath)}`, import.meta.url);
  patchRequire(internals, hooks);
}

/**
 * `module.register` does not cover `require`, so CommonJS projects on those Node versions need a patch of `require`.
 */
function patchRequire(internals: ModuleInternals, hooks: TypeScriptHooks): void {
  for (const ending of TYPESCRIPT_ENDINGS) {
    internals._extensions[ending] = (module, filename) =>
      module._compile(hooks.compile(filename, 'commonjs'), filename);
  }
  const resolveFilename = internals._resolveFilename;
  internals._resolveFilename = function resolveTypeScript(request, parent, ...rest) {
    const parentUrl = parent?.filename ? pathToFileURL(parent.filename).href : undefined;
    const found = request.startsWith('node:') ? undefined : hooks.findSource(request, parentUrl);
    return found ?? resolveFilename.call(this, request, parent, ...rest);
  };
}

/** The path of `name` in the project, if it is installed. */
function find(project: NodeJS.Require, name: string): string | undefined {
  try {
    return project.resolve(name);
  } catch {
    // Not installed: the caller tries the next compiler.
    return undefined;
  }
}
