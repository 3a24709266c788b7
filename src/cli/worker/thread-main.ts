/**
 * Entry point of a thread: loads the app module, which registers the same tasks as in the worker, finds the app among
 * those made meanwhile, and runs the tasks it receives. It must never start a worker or open a connection.
 */
import { isMainThread, workerData } from 'node:worker_threads';
import { hostOf } from '../../app-host.js';
import type { Logger } from '../../options/logger.js';
import { encodeFailure } from '../../protocol/wire-error.js';
import { LifecycleEvents } from '../../worker/observe/lifecycle-events.js';
import type { LoadedApp } from '../../worker/threads/host.js';
import type { ThreadSetup } from '../../worker/threads/messages.js';
import { RemoteBroker } from '../../worker/threads/remote-broker.js';
import { RemoteCaller } from '../../worker/threads/remote-caller.js';
import { Rpc } from '../../worker/threads/rpc.js';
import { linkedLogger, ThreadRunner } from '../../worker/threads/runner.js';
import { loadHostedApp } from './hosted-app.js';

if (!isMainThread) await main(workerData as ThreadSetup);

async function main(setup: ThreadSetup): Promise<void> {
  const link = new Rpc(setup);
  const engine = new RemoteBroker(link, setup.broker, setup.file);
  let runner: ThreadRunner | undefined;
  let life: LifecycleEvents | undefined;
  let closing: (() => Promise<void>) | undefined;
  link.open((news) => {
    switch (news.kind) {
      case 'run':
        void runner?.run(news);
        return;
      case 'batch':
        void runner?.runBatch(news);
        return;
      case 'hooks':
        void runner?.runHooks(news);
        return;
      case 'end':
        void life
          ?.shuttingDown()
          .then(() => life?.stopped())
          .then(() => closing?.())
          .then(() => link.send({ kind: 'leaving' }));
        return;
      case 'abort':
        runner?.abort(news);
        return;
      case 'notice':
        engine.signals.noticed(news.topic);
        return;
      case 'gap':
        engine.signals.gap();
    }
  });
  try {
    const loaded = await loadHostedApp(setup, {
      engineFor: (name) => (name === setup.appName ? engine : undefined),
      callerFor: (name) => (name === setup.appName ? new RemoteCaller(engine) : undefined),
    });
    const { events, executor } = loaded;
    const logger = linkedLogger(link);
    life = new LifecycleEvents({
      events,
      clock: executor.clock,
      logger,
      place: 'thread',
      node: () => setup.node,
    });
    await life.init();
    await loaded.prepare();
    engine.loaded();
    runner = new ThreadRunner(loaded, setup, link);
    await life.ready();
    closing = closingOf(loaded, logger);
    const listens = closing !== undefined || events.hasListeners(['worker-shutting-down', 'worker-stopped']);
    link.send({ kind: 'ready', listens });
  } catch (error) {
    link.send({ kind: 'failed', error: encodeFailure(error) });
  }
}

/** Closes the framework around the app, and the container of its services; undefined where there is neither. */
function closingOf({ app, container }: LoadedApp, logger: Logger): (() => Promise<void>) | undefined {
  const host = hostOf(app);
  if (host === undefined && container.close === undefined) return undefined;
  return async () => {
    try {
      await host?.close('SIGTERM');
      await container.close?.();
    } catch (error) {
      logger.error({ error }, 'what the tasks of a thread depend on could not be closed');
    }
  };
}
