/**
 * Gets an app from the global flags: the one that `-A` (or `CELERIAC_APP`) names, else, for commands that need no code
 * of yours, an app made from `--broker` and `--prefix` (or `CELERIAC_BROKER_URL` and `CELERIAC_PREFIX`).
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Celeriac } from '../app.js';
import { OptionError } from '../errors.js';
import { shownUrl } from '../options/readable.js';

/** Flags that every command takes, before or after its name. */
export interface GlobalFlags {
  readonly app?: string;
  readonly broker?: string;
  readonly prefix?: string;
  readonly workdir?: string;
  readonly quiet?: boolean;
  readonly loglevel?: string;
}

/** Runs `use` with the app and closes it afterwards, whatever happens. */
export async function withApp<R>(flags: GlobalFlags, use: (app: Celeriac) => Promise<R>): Promise<R> {
  return withLoaded(flags, ({ app }) => use(app));
}

/** What a command has to work with: the app, and what its module exports. */
export interface OpenApp {
  readonly app: Celeriac;
  /** Empty without -A. */
  readonly exports: Readonly<Record<string, unknown>>;
}

/** Like {@link withApp}, with the exports of the app's module. */
export async function withLoaded<R>(flags: GlobalFlags, use: (open: OpenApp) => Promise<R>): Promise<R> {
  const open = await openApp(flags);
  try {
    return await use(open);
  } finally {
    await open.app.close();
  }
}

/** The app of a worker, which needs code and so requires `-A`. */
export function appSpec(flags: GlobalFlags): string | undefined {
  return flags.app ?? (process.env.CELERIAC_APP || undefined);
}

/** A command line that reaches the same app, for hints. */
export function commandLine(words: string, flags: GlobalFlags): string {
  const { workdir, app, broker, prefix } = flags;
  const given = [
    ['--workdir', workdir],
    ['-A', app],
    ['-b', broker === undefined ? undefined : shownUrl(broker)],
    ['--prefix', prefix],
  ] as const;
  const shared = given.flatMap(([flag, value]) => (value === undefined ? [] : [flag, shellWord(value)]));
  return ['celeriac', ...shared, words].join(' ');
}

/** One word of a command line, quoted if a shell would split it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

async function openApp(flags: GlobalFlags): Promise<OpenApp> {
  const spec = appSpec(flags);
  if (spec !== undefined) {
    const { loadApp } = await import('./load/app.js');
    return loadApp(spec, process.cwd(), loadCore);
  }
  const prefix = flags.prefix ?? process.env.CELERIAC_PREFIX;
  if (!prefix) {
    throw new OptionError(
      'Which app? Name its module with -A, as in "celeriac -A tasks …", or give --prefix (or CELERIAC_PREFIX), ' +
        "the app's name, and -b (or CELERIAC_BROKER_URL), its broker.",
    );
  }
  const { Celeriac } = await import('../app.js');
  // The command prints what matters itself; the app's log lines would only repeat it.
  const app = new Celeriac(prefix, flags.loglevel === undefined ? { logger: SILENT } : {});
  return { app, exports: {} };
}

const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

function nothing(): void {}

/**
 * Preloads the core, which the app's module loads anyway: before Node 22.15 TypeScript hooks slow down every later
 * import, ours by half. Not for a worker, whose module may start with instrumentation that has to see bullmq and
 * ioredis load; and not if the project has another copy of this package.
 */
async function loadCore(): Promise<void> {
  if (projectsCopy() === OWN_INDEX) await import('../app.js');
}

const OWN_INDEX = fileURLToPath(new URL('../index.js', import.meta.url));

/** What `import 'celeriac'` gives to the code of the project. */
export async function celeriacOfProject(): Promise<Record<string, unknown>> {
  return import(pathToFileURL(projectsCopy() ?? OWN_INDEX).href);
}

function projectsCopy(): string | undefined {
  try {
    return createRequire(join(process.cwd(), 'package.json')).resolve('celeriac');
  } catch {
    // The project resolves it in another way, or loading the module will report what is missing.
    return undefined;
  }
}
