/**
 * From the global flags to an app: the one `-A` (or `CELERIAC_APP`) names, else, for commands that need no code
 * of yours, an app made of `CELERIAC_BROKER_URL` and `CELERIAC_PREFIX`.
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

/** The app a worker runs: it needs code, so there is no way around `-A`. */
export function appSpec(flags: GlobalFlags): string | undefined {
  return flags.app ?? (process.env.CELERIAC_APP || undefined);
}

/** A command as it would be typed to reach the same app, for hints. */
export function commandLine(words: string, flags: GlobalFlags): string {
  return `celeriac ${flags.app === undefined ? '' : `-A ${shellWord(flags.app)} `}${words}`;
}

/** One word of a command line, quoted where a shell would take it apart. */
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
  // What an app would log is what the command is about to say, or nobody's business here.
  return new Celeriac(prefix, flags.loglevel === undefined ? { logger: SILENT } : {});
}

const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

function nothing(): void {}

/**
 * Loads what the app's module is about to load anyway: before Node 22.15 TypeScript hooks slow down every import that
 * comes after them, ours by half. Not for a worker, whose module may begin with instrumentation that has to see
 * bullmq and ioredis load; and not where the project has another copy of this package.
 */
async function loadCore(): Promise<void> {
  const own = fileURLToPath(new URL('../index.js', import.meta.url));
  if (projectsCopy() === own) await import('../app.js');
}

function projectsCopy(): string | undefined {
  try {
    return createRequire(join(process.cwd(), 'package.json')).resolve('celeriac');
  } catch {
    // The project finds it in some other way, or the load will say what is missing.
    return undefined;
  }
}
