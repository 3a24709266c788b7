/**
 * Where a thread begins: it loads the app module, which registers the same tasks as in the worker, finds the app among
 * those that were made meanwhile, and runs what it is given. It starts no worker and opens no connection.
 */
import { isMainThread, workerData } from 'node:worker_threads';
import { isCeleriacError, OptionError } from '../errors.js';
import type { TaskApp } from '../tasks/context.js';
import { encodeFailure } from '../tasks/failure.js';
import { Link } from '../worker/threads/link.js';
import { LinkedEngine } from '../worker/threads/linked-engine.js';
import type { ThreadSetup } from '../worker/threads/messages.js';
import { becomeThread, type LoadedApp } from '../worker/threads/thread-host.js';
import { ThreadRunner } from '../worker/threads/thread-runner.js';
import { importModule } from './load-app.js';
import { registerTypeScript } from './typescript.js';
import { isTypeScript } from './typescript-hooks.js';

if (!isMainThread) await main(workerData as ThreadSetup);

async function main(setup: ThreadSetup): Promise<void> {
  const link = new Link(setup);
  const engine = new LinkedEngine(link, setup.broker, setup.file);
  let runner: ThreadRunner | undefined;
  link.open((news) => {
    switch (news.kind) {
      case 'run':
        void runner?.run(news);
        return;
      case 'abort':
        runner?.abort(news.reason);
        return;
      case 'notice':
        engine.signals.noticed(news.topic);
        return;
      case 'gap':
        engine.signals.gap();
    }
  });
  try {
    const loaded = await loadApp(setup, engine);
    await loaded.prepare();
    engine.loaded();
    runner = new ThreadRunner(loaded, setup, link);
    link.send({ kind: 'ready' });
  } catch (error) {
    link.send({ kind: 'failed', error: encodeFailure(error) });
  }
}

async function loadApp({ file, appName, prefix }: ThreadSetup, engine: LinkedEngine): Promise<LoadedApp> {
  const made: LoadedApp[] = [];
  const startsWorker = new Promise<void>((resolve) => {
    becomeThread({
      engineFor: (name) => (name === appName ? engine : undefined),
      made: (app) => void made.push(app),
      workerStarts: (app: TaskApp) => {
        if (made.some((known) => known.app === app && known.name === appName)) resolve();
        return new Promise<never>(() => undefined);
      },
    });
  });
  if (isTypeScript(file) && !inheritsCompiler()) await registerCompiler();
  // A module that starts its own worker may wait for it as it loads: then it has come far enough.
  await Promise.race([importModule(file, file), startsWorker]);
  const named = made.filter(({ name }) => name === appName);
  const app = named.find((candidate) => candidate.prefix === prefix) ?? named[0];
  if (app !== undefined) return app;
  const names = made.map(({ name }) => `"${name}"`).join(', ');
  throw new OptionError(
    `${file}, which the threads of app "${appName}" load, makes ${names === '' ? 'no app' : `only ${names}`}. ` +
      `The option "module" of app.worker() must name a module that makes the app "${appName}" and registers its tasks.`,
  );
}

/** Whether this process was started with a TypeScript loader, which its threads start with as well. */
function inheritsCompiler(): boolean {
  return process.execArgv.some((argument) => /tsx|ts-node|swc/.test(argument));
}

async function registerCompiler(): Promise<void> {
  try {
    await registerTypeScript();
  } catch (error) {
    // No compiler in the project: Node itself may take the file, as it did in the worker; if not, importing it says so.
    if (!isCeleriacError(error, 'OPTION')) throw error;
  }
}
