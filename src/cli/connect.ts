/**
 * Gets an app from the global flags: the one that `-A` (or `CELERIAC_APP`) names, else, for commands that need no code
 * of yours, an app made from `CELERIAC_BROKER_URL` and `CELERIAC_PREFIX`.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Celeriac } from '../app.js';
import { OptionError } from '../errors.js';

/** Flags that every command takes, before or after its name. */
export interface GlobalFlags {
  readonly app?: string;
  readonly loglevel?: string;
}

/** Runs `use` with the app and closes it afterwards, whatever happens. */
export async function withApp<R>(flags: GlobalFlags, use: (app: Celeriac) => Promise<R>): Promise<R> {
  const app = await openApp(flags);
  try {
    return await use(app);
  } finally {
    await app.close();
  }
}

/** The app of a worker, which needs code and so requires `-A`. */
export function appSpec(flags: GlobalFlags): string | undefined {
  return flags.app ?? (process.env.CELERIAC_APP || undefined);
}

/** A command line that reaches the same app, for hints. */
export function commandLine(words: string, flags: GlobalFlags): string {
  return `celeriac ${flags.app === undefined ? '' : `-A ${shellWord(flags.app)} `}${words}`;
}

/** One word of a command line, quoted if a shell would split it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

async function openApp(flags: GlobalFlags): Promise<Celeriac> {
  const spec = appSpec(flags);
  if (spec !== undefined) {
    const { loadApp } = await import('./load/app.js');
    return (await loadApp(spec, process.cwd(), loadCore)).app;
  }
  const prefix = process.env.CELERIAC_PREFIX;
  if (!prefix) {
    throw new OptionError(
      'Which app? Name its module with -A, as in "celeriac -A tasks …", or set CELERIAC_PREFIX to the app\'s name ' +
        '(and CELERIAC_BROKER_URL to its broker).',
    );
  }
  const { Celeriac } = await import('../app.js');
  // The command prints what matters itself; the app's log lines would only repeat it.
  return new Celeriac(prefix, flags.loglevel === undefined ? { logger: SILENT } : {});
}

const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

function nothing(): void {}

/**
 * Preloads the core, which the app's module loads anyway: before Node 22.15 TypeScript hooks slow down every later
 * import, ours by half. Not for a worker, whose module may start with instrumentation that has to see bullmq and
 * ioredis load; and not if the project has another copy of this package.
 */
async function loadCore(): Promise<void> {
  const own = fileURLToPath(new URL('../index.js', import.meta.url));
  if (projectsCopy() === own) await import('../app.js');
}

function projectsCopy(): string | undefined {
  try {
    return createRequire(join(process.cwd(), 'package.json')).resolve('celeriac');
  } catch {
    // The project resolves it in another way, or loading the module will report what is missing.
    return undefined;
  }
}
