/**
 * Runs tasks inside a thread: the same Executor as everywhere, over a delivery whose progress is posted to the
 * worker. The worker enforces the limits, since its clock goes on while a task computes; here they only show in the
 * request.
 */
import { getHeapStatistics } from 'node:v8';
import { NotRegisteredError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import { decodeFailure } from '../../protocol/wire-error.js';
import { type Delivery, startsOf } from '../../queue/delivery.js';
import { Executor } from '../run/execute.js';
import type { Execution, LateHooks, Outcome } from '../run/outcome.js';
import { outsideContext } from '../run/outside-context.js';
import type { CallHost } from '../run/running-call.js';
import type { LoadedApp } from './host.js';
import type { PlainDelivery, ThreadSetup, ToThread } from './messages.js';
import type { Rpc } from './rpc.js';
import { packLog, packOutcome, unpackOutcome } from './serialization.js';

type Run = Extract<ToThread, { kind: 'run' }>;
type Hooks = Extract<ToThread, { kind: 'hooks' }>;

export class ThreadRunner {
  readonly #executor: Executor;
  readonly #host: CallHost & { node: string };
  /** The last ended attempt, with its original error and arguments, in case its hooks are requested. */
  #last: { readonly attempt: string; readonly outcome: Outcome; readonly hooks: LateHooks } | undefined;

  constructor(
    private readonly loaded: LoadedApp,
    private readonly setup: ThreadSetup,
    private readonly link: Rpc,
  ) {
    const { stopping } = setup;
    this.#host = {
      node: '',
      logger: linkedLogger(link),
      app: loaded.app,
      encodeMeta: (meta) => loaded.executor.codec.encodeMeta(meta),
      get stopping() {
        return Atomics.load(stopping, 0) === 1;
      },
      newAbort: () => watchfulAbort(() => link.look()),
    };
    this.#executor = new Executor({ ...loaded.executor, host: this.#host, prepare: () => loaded.prepare() });
  }

  /** Runs one task and posts its outcome to the worker. */
  async run(run: Run): Promise<void> {
    this.#last = undefined;
    const { outcome, hooks } = await this.#execute(run);
    if (hooks !== undefined) this.#last = { attempt: attemptOf(run), outcome, hooks };
    const heldBytes = this.setup.reportMemory ? heldByThisThread() : 0;
    this.link.send({ kind: 'ended', outcome: packOutcome(outcome), heldBytes });
  }

  /** Runs the hooks of a task whose outcome has been written. */
  async runHooks(given: Hooks): Promise<void> {
    const last = this.#last;
    this.#last = undefined;
    const own =
      last?.attempt === attemptOf(given) && last.outcome.kind === given.outcome.kind ? last : undefined;
    if (own !== undefined) await outsideContext(() => own.hooks.run(own.outcome));
    else await this.#runForeignHooks(given);
    this.link.send({ kind: 'hooked' });
  }

  /** Aborts the signal of the running task. */
  abort(reason: Extract<ToThread, { kind: 'abort' }>['reason']): void {
    for (const call of this.#executor.running.values()) call.abort(decodeFailure(reason));
  }

  async #execute({ delivery, limits, node }: Run): Promise<Pick<Execution, 'outcome' | 'hooks'>> {
    const { clock, registry } = this.loaded.executor;
    const task = registry.get(delivery.name);
    if (task === undefined) return { outcome: { kind: 'failure', error: this.#unknown(delivery.name) } };
    this.#host.node = node;
    await clock.sync();
    return outsideContext(() => this.#executor.perform(this.#linked(delivery), task, limits));
  }

  /** Runs the hooks of a task that ran elsewhere: only the stored outcome is known of its end. */
  async #runForeignHooks({ delivery, limits, node, outcome }: Hooks): Promise<void> {
    const { registry, codec, errors } = this.loaded.executor;
    const task = registry.get(delivery.name);
    if (task === undefined) return;
    this.#host.node = node;
    const stored = unpackOutcome(outcome, errors);
    const hooks = this.#executor.hooksOf(this.#linked(delivery), task, limits);
    const decoded =
      stored.kind === 'success' ? { ...stored, value: codec.decodeResult(stored.encoded) } : stored;
    if (hooks !== undefined) await outsideContext(() => hooks.run(decoded));
  }

  #linked(delivery: PlainDelivery): Delivery {
    const saveProgress = async (progress: object) => {
      // As JSON, like a broker would store a Date or a `toJSON`; a function would make the message fail.
      await this.link.ask({ to: 'progress', progress: JSON.parse(JSON.stringify(progress)) as object });
    };
    // The worker does the writing, and so what follows the write.
    return { ...delivery, saveProgress, afterwards: () => undefined };
  }

  #unknown(name: string): NotRegisteredError {
    return new NotRegisteredError(
      `The worker knows the task "${name}", but its thread does not: ${this.setup.file}, which threads load, does not ` +
        'register it. Register every task while that module loads, before a worker is started.',
    );
  }
}

/** Identifies one attempt at one task. */
function attemptOf({ delivery }: Run | Hooks): string {
  return `${delivery.jobId} ${startsOf(delivery)}`;
}

/** Memory that V8 holds for this thread: its heap, used or not, and external buffers. */
function heldByThisThread(): number {
  const { total_heap_size, external_memory } = getHeapStatistics();
  return total_heap_size + external_memory;
}

/** A logger for `this.log` that writes through the worker's logger. */
function linkedLogger(link: Rpc): Logger {
  const write = (level: keyof Logger) => (fields: object, message: string) =>
    link.send({ kind: 'log', line: packLog(level, fields, message) });
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

/**
 * A controller whose signal reads the mailbox whenever `aborted` is read, so that `while (!this.signal.aborted)` ends
 * although the loop never yields.
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
