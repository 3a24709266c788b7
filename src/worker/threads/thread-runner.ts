/**
 * Runs tasks inside a thread: the same Executor as everywhere, over a delivery whose progress travels to the worker.
 * Limits are kept by the worker, whose clock goes on while a task computes; here they only show in the request.
 */
import { getHeapStatistics } from 'node:v8';
import { NotRegisteredError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import { decodeFailure } from '../../tasks/failure.js';
import { apart } from '../apart.js';
import { Executor } from '../execute.js';
import type { Outcome } from '../outcome.js';
import type { CallHost } from '../running-call.js';
import { packLog, packOutcome } from './crossing.js';
import type { Link } from './link.js';
import type { ThreadSetup, ToThread } from './messages.js';
import type { LoadedApp } from './thread-host.js';

type Run = Extract<ToThread, { kind: 'run' }>;

export class ThreadRunner {
  readonly #executor: Executor;
  readonly #host: CallHost & { node: string };

  constructor(
    private readonly loaded: LoadedApp,
    private readonly setup: ThreadSetup,
    private readonly link: Link,
  ) {
    const { stopping } = setup;
    this.#host = {
      node: '',
      logger: linkedLogger(link),
      app: loaded.app,
      get stopping() {
        return Atomics.load(stopping, 0) === 1;
      },
      newAbort: () => watchfulAbort(() => link.look()),
    };
    this.#executor = new Executor({ ...loaded.executor, host: this.#host, prepare: () => loaded.prepare() });
  }

  /** Runs one task and tells the worker how it ended. */
  async run(run: Run): Promise<void> {
    const outcome = await this.#execute(run);
    const heldBytes = this.setup.reportMemory ? heldByThisThread() : 0;
    this.link.send({ kind: 'ended', outcome: packOutcome(outcome), heldBytes });
  }

  /** Aborts the signal of what runs. */
  abort(reason: Extract<ToThread, { kind: 'abort' }>['reason']): void {
    for (const call of this.#executor.running.values()) call.abort(decodeFailure(reason));
  }

  async #execute({ delivery, limits, node }: Run): Promise<Outcome> {
    const { clock, registry } = this.loaded.executor;
    const task = registry.get(delivery.name);
    if (task === undefined) return { kind: 'failure', error: this.#unknown(delivery.name) };
    this.#host.node = node;
    await clock.sync();
    const saveProgress = async (progress: object) => {
      // As JSON has it: what a broker would make of a Date or a `toJSON`, and no function to stop the message.
      await this.link.ask({ to: 'progress', progress: JSON.parse(JSON.stringify(progress)) as object });
    };
    // What follows the write is the worker's business: it does the writing.
    const afterwards = () => undefined;
    const perform = () => this.#executor.perform({ ...delivery, saveProgress, afterwards }, task, limits);
    return (await apart(perform)).outcome;
  }

  #unknown(name: string): NotRegisteredError {
    return new NotRegisteredError(
      `The worker knows the task "${name}", but its thread does not: ${this.setup.file}, which threads load, does not ` +
        'register it. Register every task while that module loads, before a worker is started.',
    );
  }
}

/** What V8 holds for this thread: its heap, used or not, and the buffers beside it. */
function heldByThisThread(): number {
  const { total_heap_size, external_memory } = getHeapStatistics();
  return total_heap_size + external_memory;
}

/** `this.log` writes where the worker writes. */
function linkedLogger(link: Link): Logger {
  const write = (level: keyof Logger) => (fields: object, message: string) =>
    link.send({ kind: 'log', line: packLog(level, fields, message) });
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

/**
 * A signal that looks into the mailbox when it is asked, so that `while (!this.signal.aborted)` ends although the
 * loop never yields.
 */
function watchfulAbort(look: () => void): AbortController {
  const controller = new AbortController();
  const { signal } = controller;
  const isAborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get;
  Object.defineProperties(signal, {
    aborted: {
      configurable: true,
      get: () => {
        look();
        return isAborted?.call(signal) as boolean;
      },
    },
    throwIfAborted: {
      configurable: true,
      value: () => {
        look();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
  return controller;
}
