/**
 * Loads an app in a thread or in a worker process: loads the module as the command line does, and finds the app among
 * those made meanwhile. A worker that the module starts must not start there.
 */
import nodeModule from 'node:module';
import { dirname } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { type AppOverrides, overrideApps } from '../../app-overrides.js';
import { isCeleriacError, OptionError } from '../../errors.js';
import type { TaskApp } from '../../tasks/context.js';
import { becomeThread, type LoadedApp, type ThreadHost } from '../../worker/threads/host.js';
import { importModule } from '../load/app.js';
import { registerTypeScript } from '../load/typescript.js';
import { isTypeScript } from '../load/typescript-hooks.js';

/** Which app to look for, and where. */
export interface AppPlace {
  /** The app module, absolute. */
  readonly file: string;
  readonly appName: string;
  readonly prefix: string;
  /** Options of the command line that started it. */
  readonly overrides: AppOverrides;
}

/** The parts that the thread or process provides to the app. */
export interface HostParts extends Pick<ThreadHost, 'engineFor' | 'callerFor' | 'processPool'> {
  /** True if this is the worker of the thread or process, and may start. */
  owns?(worker: object): boolean;
}

/** @throws {OptionError} when the module makes no such app */
export async function loadHostedApp(
  { file, appName, prefix, overrides }: AppPlace,
  { owns, ...parts }: HostParts,
): Promise<LoadedApp> {
  overrideApps(overrides);
  const made: LoadedApp[] = [];
  let starting: Promise<void> | undefined;
  let started: () => void = () => undefined;
  const startsWorker = new Promise<void>((resolve) => {
    becomeThread({
      ...parts,
      made: (app) => void made.push(app),
      expect: () => {
        starting ??= new Promise((resolve) => {
          started = resolve;
        });
      },
      started: (app) => {
        if (made.some((known) => known.app === app && known.name === appName)) started();
      },
      workerStarts: (app: TaskApp, worker: object) => {
        if (owns?.(worker) === true) return undefined;
        if (made.some((known) => known.app === app && known.name === appName)) resolve();
        return new Promise<never>(() => undefined);
      },
    });
  });
  if (isTypeScript(file) && !inheritsCompiler()) await registerCompiler(dirname(file));
  // A module may await the start of its own worker as it loads: then it has loaded far enough.
  await Promise.race([importModule(file, file), startsWorker]);
  // A module without top-level await has begun to start its framework, no more.
  await starting;
  const named = made.filter(({ name }) => name === appName);
  const app = named.find((candidate) => candidate.prefix === prefix) ?? named[0];
  if (app !== undefined) return app;
  const names = made.map(({ name }) => `"${name}"`).join(', ');
  throw new OptionError(
    `${file}, which the threads of app "${appName}" load, makes ${names === '' ? 'no app' : `only ${names}`}. ` +
      `The option "module" of app.worker() must name a module that makes the app "${appName}" and registers its tasks.`,
  );
}

/** True if this process was started with a TypeScript loader, which its threads inherit. */
function inheritsCompiler(): boolean {
  if (process.execArgv.some((argument) => /ts-node|swc/.test(argument))) return true;
  // On Node versions without synchronous hooks, an inherited tsx does nothing in threads.
  const reachesHere = isMainThread || 'registerHooks' in nodeModule;
  return reachesHere && process.execArgv.some((argument) => argument.includes('tsx'));
}

async function registerCompiler(folder: string): Promise<void> {
  try {
    await registerTypeScript(folder, process.cwd());
  } catch (error) {
    // No compiler in the project: Node may load the file itself, as it did in the worker; if not, the import reports
    // it.
    if (!isCeleriacError(error, 'OPTION')) throw error;
  }
}
