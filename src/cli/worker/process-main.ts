/**
 * Entry point of a worker process: loads the app module, makes the worker that its supervisor describes, and runs until
 * the supervisor ends it, it has reached its limits, or its supervisor is gone. It handles signals itself, since
 * terminals and service managers send them to the whole group.
 */

import type { CommandHandlers, CommandName } from '../../control/commands.js';
import type { Logger } from '../../options/logger.js';
import { encodeFailure } from '../../protocol/wire-error.js';
import { after } from '../../timers.js';
import type {
  FromProcess,
  ProcessHealth,
  ProcessRecord,
  ProcessSetup,
  ToProcess,
} from '../../worker/processes/messages.js';
import { Recycling } from '../../worker/processes/recycling.js';
import type { Worker } from '../../worker/worker.js';
import { EXIT } from '../exit.js';
import { flushed, workUnread } from '../streams.js';
import { HeldSignals } from './held-signals.js';
import { loadHostedApp } from './hosted-app.js';
import { createLogger, type LogSettings, withoutReady } from './log.js';
import { openLogFile } from './log-file.js';
import { FORCED_AFTER_MS } from './signals.js';
import { startPatiently } from './start-retry.js';
import { showTitle, workerTitle } from './title.js';

/** How long the process waits at its end for the reader of the log to take the last lines. */
const LAST_LINES_MS = 1000;
/** A task may run for any time after its process's successor has started. */
const FOR_EVER_MS = Number.MAX_SAFE_INTEGER;
/** Longest delay until the supervisor is notified of an ended task. */
const REPORT_AFTER_MS = 200;
const SILENT: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

class WorkerProcess {
  #worker: Worker | undefined;
  #handlers: CommandHandlers | undefined;
  #close: () => Promise<void> = async () => undefined;
  #log: Logger = SILENT;
  readonly #ending = new AbortController();
  #interrupted = false;
  #reporting: NodeJS.Timeout | undefined;
  #onCleared: () => void = nothing;
  readonly #cleared = new Promise<void>((resolve) => {
    this.#onCleared = resolve;
  });

  receive(message: ToProcess): void {
    switch (message.kind) {
      case 'setup':
        this.#run(message.setup).catch((error: unknown) => this.#fail(error));
        return;
      case 'ask':
        void this.#answer(message.command, message.args).then((reply) =>
          post({ kind: 'answer', id: message.id, reply }),
        );
        return;
      case 'go':
        this.#onCleared();
        return;
      case 'stop':
        // A process that was leaving had no deadline; from now on it has one.
        if (this.#ending.signal.aborted) after(message.timeoutMs, () => void this.#worker?.stopNow());
        this.#end(EXIT.ok, message.timeoutMs);
        return;
      case 'stopNow':
        this.#now();
        return;
      case 'logRunning':
        this.#worker?.logRunning();
    }
  }

  /** A signal that ends it, to this process or to its group. */
  signalled(signal: NodeJS.Signals): void {
    if (signal === 'SIGQUIT' || (signal === 'SIGINT' && this.#interrupted)) this.#now();
    this.#interrupted ||= signal === 'SIGINT';
    post({ kind: 'leaving', why: signal });
    this.#end(EXIT.ok);
  }

  /** The supervisor is gone, so the process ends itself. */
  orphaned(): void {
    if (this.#ending.signal.aborted) return;
    this.#log.error({}, 'the supervisor is gone: this process ends as well');
    this.#end(EXIT.failed);
  }

  stray(error: unknown, what: string): void {
    this.#log.error({ error }, `${what} outside any task: this process ends, another takes its place`);
    this.#end(EXIT.failed);
  }

  async #run(setup: ProcessSetup): Promise<void> {
    const spent = (why: string) => {
      post({ kind: 'leaving', why });
      this.#end(EXIT.ok, FOR_EVER_MS);
    };
    const recycling = new Recycling(setup.recycling, spent, () => this.#reportSoon());
    const held = new HeldSignals();
    const { app } = await loadHostedApp(setup, {
      engineFor: () => undefined,
      owns: (worker) => worker === this.#worker,
      processPool: {
        node: setup.node,
        measured: setup.measured,
        recycling,
        respond: async ({ handlers }) => {
          this.#handlers = handlers;
          return { node: setup.node, close: async () => undefined };
        },
        cleared: () => {
          post({ kind: 'ready' });
          return this.#cleared;
        },
      },
    });
    held.take();
    this.#close = () => held.close(app, 'SIGTERM');
    const log = setup.log === undefined ? undefined : loggerOf(setup.log as LogSettings, setup.node);
    this.#log = log ?? SILENT;
    this.#worker = app.worker({ ...setup.options, ...(log !== undefined && { logger: log }) });
    const worker = this.#worker;
    void worker.stopped.then(() => this.#end(EXIT.ok));
    showTitle(() => workerTitle({ ...worker.describe(), node: setup.node }, process.ppid));
    await startPatiently(this.#worker, this.#log, this.#ending.signal);
  }

  /** Posts its record soon, so that its counts survive a kill, except those of the last moment. */
  #reportSoon(): void {
    this.#reporting ??= setTimeout(() => {
      this.#reporting = undefined;
      this.#record().then(
        (record) => post({ kind: 'record', record }),
        (error: unknown) => this.#log.error({ error }, 'what this process has done cannot be reported'),
      );
    }, REPORT_AFTER_MS).unref();
  }

  /** A broker that does not answer must not make the user at the keyboard wait. */
  #now(): void {
    void this.#worker?.stopNow();
    this.#end(EXIT.ok, 0);
    setTimeout(() => process.exit(EXIT.ok), FORCED_AFTER_MS);
  }

  /** Ends the process once; later calls do nothing. */
  #end(code: number, timeoutMs?: number): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    this.#onCleared();
    void this.#leave(code, timeoutMs);
  }

  async #leave(code: number, timeoutMs: number | undefined): Promise<void> {
    try {
      await this.#worker?.stop(timeoutMs === undefined ? {} : { timeout: timeoutMs });
      if (this.#handlers !== undefined) await postAndWait({ kind: 'record', record: await this.#record() });
      await this.#close();
    } catch (error) {
      this.#log.error({ error }, 'the process did not stop cleanly');
    }
    await flushed(LAST_LINES_MS);
    process.exit(code);
  }

  async #fail(error: unknown): Promise<void> {
    await postAndWait({ kind: 'failed', error: encodeFailure(error) });
    process.exit(EXIT.failed);
  }

  async #answer(command: string, args: object): Promise<unknown> {
    try {
      if (command === 'record') return await this.#record();
      if (command === 'health') return await this.#health();
      if (this.#handlers === undefined) return undefined;
      return await this.#handlers[command as CommandName](args as never);
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  async #record(): Promise<ProcessRecord> {
    const stats = await this.#handlers?.stats({});
    const health = this.#worker?.health;
    return {
      processed: stats?.processed ?? {},
      running: stats?.running ?? 0,
      concurrency: health?.concurrency ?? 0,
      metrics: (await health?.metrics()) ?? [],
      queues: health?.queues() ?? [],
    };
  }

  async #health(): Promise<ProcessHealth> {
    const health = this.#worker?.health;
    if (health === undefined)
      return { live: { ok: true }, ready: { ok: false, why: 'the process is loading' } };
    const [live, ready] = await Promise.all([health.live(), health.ready()]);
    return { live, ready };
  }
}

function loggerOf(settings: LogSettings, node: string): Logger {
  return withoutReady(createLogger({ ...settings, node: () => node, write: writerOf(settings) }));
}

function writerOf({ file }: LogSettings): (line: string) => void {
  const onStdout = (line: string) => void process.stdout.write(line);
  return file === undefined ? onStdout : openLogFile(file, { otherwise: onStdout });
}

function post(message: FromProcess): void {
  if (process.connected) process.send?.(message, undefined, undefined, nothing);
}

/** Posts a message; resolves when it was sent, or cannot be. */
function postAndWait(message: FromProcess): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected && process.send !== undefined)
      process.send(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

function nothing(): void {}

const own = new WorkerProcess();
workUnread();
process.on('message', (message: ToProcess) => own.receive(message));
process.on('disconnect', () => own.orphaned());
process.on('SIGTERM', () => own.signalled('SIGTERM'));
process.on('SIGINT', () => own.signalled('SIGINT'));
process.on('SIGHUP', () => own.signalled('SIGHUP'));
process.on('SIGQUIT', () => own.signalled('SIGQUIT'));
process.on('uncaughtException', (error) => own.stray(error, 'an exception'));
process.on('unhandledRejection', (error) => own.stray(error, 'a rejected promise'));
// The timer keeps the process alive while it waits for a broker or a command without open handles. It also notices a
// supervisor that died while this module loaded, before the listener above existed.
setInterval(() => process.connected || own.orphaned(), 1000);
post({ kind: 'born' });
