/**
 * Ends a worker's process: SIGTERM, SIGINT or SIGHUP stops it warmly, SIGQUIT or a second SIGINT at once, an exception
 * outside any task warmly but with exit code 1. It also handles SIGUSR1, which ends nothing. It must be installed before the first
 * connection, so that Ctrl-C works while the broker is away.
 */
import { durationText } from '../../duration.js';
import { EXIT } from '../exit.js';
import type { CliLogger } from './log.js';

/** The worker to end. */
export interface Endable {
  /** Resolves when it has stopped, for any reason. */
  readonly stopped: Promise<void>;
  /** How many tasks run. */
  countRunning(): Promise<number>;
  stop(options: { timeout: number }): Promise<void>;
  stopNow(): Promise<void>;
}

/** Settings of {@link Ending}. */
export interface EndingOptions {
  readonly log: CliLogger;
  readonly shutdownTimeoutMs: number;
  /** Called on SIGUSR1. */
  readonly report: () => void;
}

/** Listens for signals and stray exceptions; `reached` gives the exit code once everything has stopped. */
export class Ending {
  /** Resolves to the exit code when the worker has stopped. */
  readonly reached: Promise<number>;
  readonly #worker: Endable;
  readonly #options: EndingOptions;
  readonly #begun = new AbortController();
  #resolve: (code: number) => void = () => undefined;
  #code: number = EXIT.ok;
  #hurried = false;
  #signalled = 'SIGTERM';
  readonly #listeners: readonly (readonly [event: string, listener: (error: unknown) => void])[];
  readonly #process: NodeJS.EventEmitter = process;

  constructor(worker: Endable, options: EndingOptions) {
    this.#worker = worker;
    this.#options = options;
    this.reached = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#listeners = [
      ['SIGTERM', () => this.#warm('SIGTERM')],
      // The terminal was closed.
      ['SIGHUP', () => this.#warm('SIGHUP')],
      ['SIGINT', () => (this.#begun.signal.aborted ? this.#now('second SIGINT') : this.#warm('SIGINT'))],
      ['SIGQUIT', () => this.#cold()],
      ['SIGUSR1', () => options.report()],
      ['uncaughtException', (error) => this.#stray(error, 'an exception')],
      ['unhandledRejection', (error) => this.#stray(error, 'a rejected promise')],
    ];
    for (const [event, listener] of this.#listeners) this.#process.on(event, listener);
    void worker.stopped.then(() => this.#stoppedFromAfar());
  }

  /** Aborts as soon as the shutdown starts. */
  get signal(): AbortSignal {
    return this.#begun.signal;
  }

  /** True after a second SIGINT or a SIGQUIT: somebody waits for the end, so nothing else may wait. */
  get hurried(): boolean {
    return this.#hurried;
  }

  /** The signal that ended it, or the default signal for any other end. */
  get by(): string {
    return this.#signalled;
  }

  /** Stops listening; signals have their usual meaning again. */
  release(): void {
    this.#begun.abort();
    for (const [event, listener] of this.#listeners) this.#process.off(event, listener);
  }

  #warm(why: string): void {
    if (this.#begun.signal.aborted) return;
    this.#begun.abort();
    if (why.startsWith('SIG')) this.#signalled = why;
    const { log, shutdownTimeoutMs } = this.#options;
    // Counted before the tasks end, logged when the count is known: stopping starts without waiting for it.
    const logged = this.#worker
      .countRunning()
      .then((running) => log.always({}, `${why}: ${warmText(why, running, shutdownTimeoutMs)}`));
    const stopped = this.#worker.stop({ timeout: shutdownTimeoutMs });
    this.#settle(Promise.all([stopped, logged]).then(() => undefined));
  }

  /** `control shutdown` and the app's own code reach the worker, not this process. */
  #stoppedFromAfar(): void {
    if (this.#begun.signal.aborted) return;
    this.#begun.abort();
    this.#options.log.always({}, 'told to stop by remote control, or by the app itself');
    this.#resolve(this.#code);
  }

  /** Celery's cold shutdown: its exit code is that of a failure. */
  #cold(): void {
    this.#signalled = 'SIGQUIT';
    this.#code = EXIT.failed;
    this.#begun.abort();
    this.#now('SIGQUIT');
  }

  #now(why: string): void {
    this.#hurried = true;
    this.#options.log.always({}, `${why}: handing back what runs, stopping now`);
    this.#settle(this.#worker.stopNow());
    // A broker that does not answer must not make the user at the keyboard wait.
    setTimeout(() => this.#resolve(this.#code), FORCED_AFTER_MS).unref();
  }

  #stray(error: unknown, what: string): void {
    this.#options.log.error({ error }, `${what} outside any task: warm shutdown`);
    this.#code = EXIT.failed;
    this.#warm('stray error');
  }

  #settle(stopped: Promise<void>): void {
    stopped.then(
      () => this.#resolve(this.#code),
      (error: unknown) => {
        this.#options.log.error({ error }, 'the worker did not stop cleanly');
        this.#resolve(EXIT.failed);
      },
    );
  }
}

/** Log text: what the shutdown waits for, and how to skip the wait. */
export function warmText(why: string, running: number, timeoutMs: number): string {
  if (running === 0) return 'warm shutdown, no task is running';
  const [tasks, them] =
    running === 1 ? ['1 task is running and has', 'it'] : [`${running} tasks are running and have`, 'them'];
  const again = why === 'SIGINT' ? 'Ctrl-C once more' : 'SIGINT';
  return `warm shutdown, ${tasks} ${durationText(timeoutMs)} to finish; ${again} hands ${them} back at once`;
}

/** The signals that end a process. */
export const ENDS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;

/** How long a shutdown at once waits for tasks to be handed back. */
export const FORCED_AFTER_MS = 3_000;

/**
 * Until there is a worker to stop, a signal ends the process at once, since nothing runs yet. Without this, process 1
 * of a container would ignore signals, for which the kernel has no default action.
 * @returns a function that stops listening
 */
export function endAtOnce(): () => void {
  const end = (signal: string) => process.exit(signal === 'SIGQUIT' ? EXIT.failed : EXIT.ok);
  for (const signal of ENDS) process.on(signal, end);
  return () => {
    for (const signal of ENDS) process.off(signal, end);
  };
}
