/**
 * Runs tasks inside a thread: the same Executor as everywhere, over a delivery whose progress is posted to the
 * worker. The worker enforces the limits, since its clock goes on while a task computes; here they only show in the
 * request.
 */
import { getHeapStatistics } from 'node:v8';
import { NotRegisteredError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import { decodeFailure, type WireError } from '../../protocol/wire-error.js';
import { type Delivery, startsOf } from '../../queue/delivery.js';
import { Batch } from '../batches/batch.js';
import type { Seat } from '../batches/seat.js';
import type { CallHost } from '../run/call-host.js';
import { Executor } from '../run/execute.js';
import type { Execution, LateHooks, Outcome } from '../run/outcome.js';
import { outsideContext } from '../run/outside-context.js';
import type { RunningCall } from '../run/running-call.js';
import type { LoadedApp } from './host.js';
import type { PlainDelivery, ThreadSetup, ToThread } from './messages.js';
import type { Rpc } from './rpc.js';
import { packLog, packOutcome, unpackOutcome } from './serialization.js';

type Run = Extract<ToThread, { kind: 'run' }>;
type BatchRun = Extract<ToThread, { kind: 'batch' }>;
type Hooks = Extract<ToThread, { kind: 'hooks' }>;

/** What the worker gets to know of an execution. */
type Ran = Pick<Execution, 'outcome' | 'hooks' | 'trail'>;

export class ThreadRunner {
  readonly #executor: Executor;
  readonly #host: CallHost & { node: string };
  /** The last ended attempts, with their original errors and arguments, in case their hooks are requested. */
  readonly #last = new Map<string, { readonly outcome: Outcome; readonly hooks: LateHooks }>();

  /** Tasks that are not running yet, and why they were aborted already. */
  readonly #beginning = new Map<string, WireError | undefined>();

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
      encodeMeta: (meta, delivery) => loaded.executor.codec.encodeMeta(meta, delivery),
      sendEvent: async ({ token }, event) => {
        await link.ask({ to: 'event', event, token });
      },
      get stopping() {
        return Atomics.load(stopping, 0) === 1;
      },
      newAbort: () => watchfulAbort(() => link.look()),
    };
    this.#executor = new Executor({ ...loaded.executor, host: this.#host, prepare: () => loaded.prepare() });
  }

  /** Runs one task and posts its outcome to the worker. */
  async run(run: Run): Promise<void> {
    this.#last.clear();
    const { outcome, trail } = await this.#ended(run.delivery, this.#execute(run));
    this.link.send({ kind: 'ended', outcome: packOutcome(outcome), heldBytes: this.#heldBytes(), trail });
  }

  /** Runs the calls of a batch together, and posts their outcomes to the worker. */
  async runBatch({ members, node }: BatchRun): Promise<void> {
    this.#last.clear();
    const task = this.loaded.executor.registry.get(members[0]?.delivery.name ?? '');
    const seats =
      task &&
      new Batch(
        { task, host: this.#host },
        Array.from(members, () => ({})),
        0,
      ).seats;
    const ends = members.map(({ delivery, limits }, i) =>
      this.#ended(delivery, this.#execute({ delivery, limits, node }, seats?.[i])),
    );
    const outcomes = (await Promise.all(ends)).map(({ outcome }) => packOutcome(outcome));
    this.link.send({ kind: 'batch-ended', outcomes, heldBytes: this.#heldBytes() });
  }

  async #ended(delivery: PlainDelivery, execution: Promise<Ran>): Promise<Ran> {
    const ran = await execution;
    const { outcome, hooks } = ran;
    if (hooks !== undefined) this.#last.set(attemptOf({ delivery }), { outcome, hooks });
    return ran;
  }

  #heldBytes(): number {
    return this.setup.reportMemory ? heldByThisThread() : 0;
  }

  /** Runs the hooks of a task whose outcome has been written. */
  async runHooks(given: Hooks): Promise<void> {
    const last = this.#last.get(attemptOf(given));
    this.#last.delete(attemptOf(given));
    const own = last?.outcome.kind === given.outcome.kind ? last : undefined;
    if (own !== undefined) await outsideContext(() => own.hooks.run(own.outcome));
    else await this.#runForeignHooks(given);
    this.link.send({ kind: 'hooked' });
  }

  /** Aborts the signal of a running task, or of one that is about to run. */
  abort({ reason, token }: Extract<ToThread, { kind: 'abort' }>): void {
    if (this.#beginning.has(token)) this.#beginning.set(token, reason);
    else this.#executor.running.get(token)?.abort(decodeFailure(reason));
  }

  async #execute({ delivery, limits, node }: Omit<Run, 'kind'>, seat?: Seat<RunningCall>): Promise<Ran> {
    const { clock, registry } = this.loaded.executor;
    const task = registry.get(delivery.name);
    if (task === undefined) return { outcome: { kind: 'failure', error: this.#unknown(delivery.name) } };
    this.#host.node = node;
    const { token } = delivery;
    let early: WireError | undefined;
    this.#beginning.set(token, undefined);
    try {
      await clock.sync();
    } finally {
      early = this.#beginning.get(token);
      this.#beginning.delete(token);
    }
    const ran = outsideContext(() => this.#executor.perform(this.#linked(delivery), task, limits, seat));
    if (early !== undefined) this.abort({ kind: 'abort', reason: early, token });
    return ran;
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
      const json = JSON.parse(JSON.stringify(progress)) as object;
      await this.link.ask({ to: 'progress', progress: json, token: delivery.token });
    };
    // The worker does the writing, and so what follows the write.
    return { ...delivery, turn: undefined, saveProgress, afterwards: () => undefined };
  }

  #unknown(name: string): NotRegisteredError {
    return new NotRegisteredError(
      `The worker knows the task "${name}", but its thread does not: ${this.setup.file}, which threads load, does not ` +
        'register it. Register every task while that module loads, before a worker is started.',
    );
  }
}

/** Identifies one attempt at one task. */
function attemptOf({ delivery }: Pick<Run, 'delivery'>): string {
  return `${delivery.jobId} ${startsOf(delivery)}`;
}

/** Memory that V8 holds for this thread: its heap, used or not, and external buffers. */
function heldByThisThread(): number {
  const { total_heap_size, external_memory } = getHeapStatistics();
  return total_heap_size + external_memory;
}

/** A logger for `this.log` that writes through the worker's logger. */
export function linkedLogger(link: Rpc): Logger {
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
