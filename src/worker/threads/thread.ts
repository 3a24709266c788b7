/**
 * One thread, as its worker sees it: loading, ready, running one task at a time, gone. Once killed or ended a thread
 * never comes back; the pool starts another.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { appOverrides } from '../../app-overrides.js';
import type { Engine } from '../../broker/broker.js';
import type { ChunkWrite } from '../../broker/streams.js';
import type { Asking } from '../../control/caller.js';
import { CeleriacError, WorkerLostError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import { ownFile } from '../../own-files.js';
import { decodeFailure, type ErrorClasses, encodeFailure } from '../../protocol/wire-error.js';
import type { Delivery } from '../../queue/delivery.js';
import type { StreamCount, StreamWriters } from '../../streams/stream-writers.js';
import type { OwnEvent } from '../../tasks/own-events.js';
import { LISTENERS_MS } from '../observe/lifecycle-events.js';
import type { Outcome } from '../run/outcome.js';
import type { RunningCall } from '../run/running-call.js';
import { within } from '../within.js';
import { THREAD_FILE } from './app-module.js';
import { BrokerServer } from './broker-server.js';
import type { FromThread, PlainDelivery, Request, ThreadSetup, ToThread } from './messages.js';
import { packOutcome, unpackFields, unpackOutcome } from './serialization.js';

/** What all threads of a worker share. */
export interface ThreadParams {
  readonly engine: Engine;
  /** Sends remote-control requests for tasks in threads. */
  readonly caller: Asking;
  readonly logger: Logger;
  /** Counts the chunks of its tasks. */
  readonly streams: Pick<StreamWriters, 'elsewhere'>;
  readonly errors: ErrorClasses;
  readonly appName: string;
  readonly prefix: string;
  readonly file: string;
  readonly stopping: Int32Array;
  /** A thread above this is replaced; during a task its heap may grow to twice as much. */
  readonly maxMemoryBytes: number | undefined;
  /** The worker's name. */
  node(): string;
}

/** How an attempt in a thread ended. */
export interface ThreadEnd {
  readonly outcome: Outcome;
  /** Memory the thread holds now; 0 when not measured. */
  readonly heldBytes: number;
}

/** How the attempts of a batch ended, in their order. */
export interface ThreadBatchEnd {
  readonly outcomes: readonly Outcome[];
  readonly heldBytes: number;
}

/** What runs in the thread: one call, or those of a batch. */
interface Attempt {
  readonly calls: readonly RunningCall[];
  readonly chunks: StreamCount;
  resolve(end: ThreadBatchEnd): void;
  reject(error: Error): void;
}

/** A module that takes longer to load is stuck, ms. */
const LOAD_MS = 60_000;
/** How long to wait for a killed thread: inside a system call it ends only when that returns, ms. */
const KILL_MS = 1000;

export class Thread {
  /** Resolves when it can run tasks; rejects when it never will. */
  readonly ready: Promise<void>;
  /** Number of tasks it has run. */
  runs = 0;
  readonly #params: ThreadParams;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #mailbox = new Int32Array(new SharedArrayBuffer(4));
  readonly #server: BrokerServer;
  readonly #gone: Promise<void>;
  #attempt: Attempt | undefined;
  #hooked: { resolve(): void; reject(error: Error): void } | undefined;
  #settleReady: (error?: Error) => void = () => undefined;
  #crash: Error | undefined;
  /** Whether it has listeners of its end. */
  #listens = false;
  #onLeaving: () => void = () => undefined;
  #retiring: Promise<void> | undefined;
  #ended = false;

  constructor(params: ThreadParams, onGone: (thread: Thread) => void) {
    this.#params = params;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#server = new BrokerServer(params.engine, (topic) => this.#post({ kind: 'notice', topic }));
    this.#worker = startWorker(this.#setup(port2), params.maxMemoryBytes);
    this.ready = this.#loading();
    port1.on('message', (message: FromThread) => this.#receive(message));
    port1.unref(); // the thread itself keeps the process alive while it is awaited
    this.#worker.on('error', (error) => {
      this.#crash = error;
    });
    this.#gone = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#onExit(code);
        onGone(this);
        resolve();
      });
    });
  }

  /** Runs a task. Rejects with WorkerLostError when the thread ends in the middle of it. */
  async run(call: RunningCall, node: string): Promise<ThreadEnd> {
    const { delivery, limits } = call;
    const { outcomes, heldBytes } = await this.#attemptAt([call], {
      kind: 'run',
      delivery: plain(delivery),
      limits,
      node,
    });
    return { outcome: outcomes[0] ?? { kind: 'lost' }, heldBytes };
  }

  /** Runs the calls of a batch together. Rejects with WorkerLostError when the thread ends in the middle of it. */
  runBatch(calls: readonly RunningCall[], node: string): Promise<ThreadBatchEnd> {
    const members = calls.map(({ delivery, limits }) => ({ delivery: plain(delivery), limits }));
    return this.#attemptAt(calls, { kind: 'batch', members, node });
  }

  #attemptAt(calls: readonly RunningCall[], message: ToThread): Promise<ThreadBatchEnd> {
    const abort = ({ signal, delivery: { token } }: RunningCall) =>
      this.#post({ kind: 'abort', reason: encodeFailure(signal.reason), token });
    const listening = calls.map((call) => ({ call, onAbort: () => abort(call) }));
    const chunks = this.#params.streams.elsewhere();
    this.runs += calls.length;
    this.#worker.ref();
    return new Promise<ThreadBatchEnd>((resolve, reject) => {
      this.#attempt = { calls, chunks, resolve, reject };
      this.#post(message);
      for (const { call, onAbort } of listening) {
        if (call.signal.aborted) onAbort();
        else call.signal.addEventListener('abort', onAbort, { once: true });
      }
    }).finally(() => {
      this.#attempt = undefined;
      chunks.end();
      this.#worker.unref();
      for (const { call, onAbort } of listening) call.signal.removeEventListener('abort', onAbort);
    });
  }

  /**
   * Runs the hooks of a call whose outcome is written; resolves when they have ended. The thread must be idle.
   * Rejects with WorkerLostError when the thread ends meanwhile.
   */
  runHooks(call: RunningCall, outcome: Outcome, node: string): Promise<void> {
    this.#worker.ref();
    return new Promise<void>((resolve, reject) => {
      this.#hooked = { resolve, reject };
      const { limits } = call;
      this.#post({
        kind: 'hooks',
        delivery: plain(call.delivery),
        limits,
        node,
        outcome: packOutcome(outcome),
      });
    }).finally(() => {
      this.#hooked = undefined;
      this.#worker.unref();
    });
  }

  /** Notices of the broker may have been missed. */
  gap(): void {
    this.#post({ kind: 'gap' });
  }

  /** Ends an idle thread once the listeners of its end are through; resolves when it is gone. May be called twice. */
  retire(): Promise<void> {
    this.#retiring ??= this.#retire();
    return this.#retiring;
  }

  async #retire(): Promise<void> {
    if (this.#listens && !this.#ended) {
      const left = new Promise<void>((resolve) => {
        this.#onLeaving = resolve;
      });
      this.#worker.ref();
      this.#post({ kind: 'end' });
      await Promise.race([within(left, undefined, 2 * LISTENERS_MS), this.#gone]);
    }
    await this.kill();
  }

  /** True while it runs a task, or the hooks of one. */
  get busy(): boolean {
    return this.#attempt !== undefined || this.#hooked !== undefined;
  }

  /** Ends the thread, whatever it does; resolves when it is gone, or soon after. May be called twice. */
  async kill(): Promise<void> {
    this.#ended = true;
    const late = new Promise<void>((resolve) => setTimeout(resolve, KILL_MS).unref());
    await Promise.race([this.#worker.terminate(), late]);
  }

  /** Resolves when the thread is really gone. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  #setup(port: MessagePort): ThreadSetup {
    const { engine, file, appName, prefix, stopping, maxMemoryBytes, node } = this.#params;
    const { kind, address, oneProcess, signals } = engine;
    const broker = { kind, address, oneProcess, ordered: signals.ordered };
    const reportMemory = maxMemoryBytes !== undefined;
    const place = { file, appName, prefix, node: node(), overrides: appOverrides() };
    return { ...place, port, mailbox: this.#mailbox, stopping, reportMemory, broker };
  }

  #loading(): Promise<void> {
    const { file } = this.#params;
    const slow = () =>
      this.#settleReady(
        new CeleriacError(
          `A thread has been loading ${file} for ${LOAD_MS / 1000} s. Does it wait for something at its top level?`,
        ),
      );
    const timer = setTimeout(slow, LOAD_MS).unref();
    return new Promise<void>((resolve, reject) => {
      this.#settleReady = (error) => (error === undefined ? resolve() : reject(error));
    }).finally(() => {
      clearTimeout(timer);
      this.#worker.unref();
    });
  }

  #post(message: ToThread): void {
    this.#port.postMessage(message);
    // Set after the message is posted, so that a reader of the flag finds the message.
    Atomics.store(this.#mailbox, 0, 1);
  }

  #receive(message: FromThread): void {
    const { errors, logger } = this.#params;
    switch (message.kind) {
      case 'ready':
        this.#listens = message.listens;
        this.#settleReady();
        return;
      case 'leaving':
        this.#onLeaving();
        return;
      case 'failed':
        this.#settleReady(decodeFailure(message.error, errors));
        return;
      case 'ended': {
        const { outcome, heldBytes, trail } = message;
        for (const call of this.#attempt?.calls ?? []) call.calledElsewhere = trail;
        this.#attempt?.resolve({ outcomes: [unpackOutcome(outcome, errors)], heldBytes });
        return;
      }
      case 'batch-ended': {
        const outcomes = message.outcomes.map((outcome) => unpackOutcome(outcome, errors));
        this.#attempt?.resolve({ outcomes, heldBytes: message.heldBytes });
        return;
      }
      case 'hooked':
        this.#hooked?.resolve();
        return;
      case 'log':
        logger[message.line.level](unpackFields(message.line, errors), message.line.message);
        return;
      case 'ask':
        void this.#answer(message.id, message.request);
    }
  }

  async #answer(id: number, request: Request): Promise<void> {
    try {
      const value = await this.#make(request);
      this.#post({ kind: 'answer', id, answer: { ok: true, value } });
    } catch (error) {
      const unavailable = this.#params.engine.isUnavailable(error);
      this.#post({ kind: 'answer', id, answer: { ok: false, error: encodeFailure(error), unavailable } });
    }
  }

  #make(request: Request): Promise<unknown> {
    switch (request.to) {
      case 'progress':
        return this.#saveProgress(request.token, request.progress);
      case 'event':
        return this.#sendEvent(request.token, request.event);
      case 'control':
        return this.#params.caller.ask(request.command, request.args as never, request.options);
      case 'streams':
        if (request.method === 'append') this.#streams(request.args[0] as ChunkWrite);
        return this.#server.answer(request);
      default:
        return this.#server.answer(request);
    }
  }

  #streams({ first, chunks }: Pick<ChunkWrite, 'first' | 'chunks'>): void {
    if (this.#attempt === undefined) return;
    for (const call of this.#attempt.calls) call.streamedElsewhere = true;
    this.#attempt.chunks.upTo(first + chunks.length);
  }

  async #saveProgress(token: string, progress: object): Promise<void> {
    const call = this.#attempt?.calls.find(({ delivery }) => delivery.token === token);
    if (call === undefined || call.closed) return;
    await call.delivery.saveProgress(progress);
  }

  async #sendEvent(token: string, { type, fields }: OwnEvent): Promise<void> {
    await this.#attempt?.calls.find(({ delivery }) => delivery.token === token)?.sendEvent(type, fields);
  }

  #onExit(code: number): void {
    // Its last messages may not have been read yet.
    for (;;) {
      const last = receiveMessageOnPort(this.#port);
      if (last === undefined) break;
      this.#receive(last.message as FromThread);
    }
    this.#port.close();
    this.#server.close();
    const how = this.#describeEnd(code);
    this.#settleReady(new CeleriacError(`A thread ended while it loaded ${this.#params.file}: ${how}`));
    this.#hooked?.reject(new WorkerLostError(`The thread that told the hooks was lost: ${how}`));
    const attempt = this.#attempt;
    if (attempt !== undefined) {
      const [name, ...ids] = [
        attempt.calls[0]?.delivery.name,
        ...attempt.calls.map((call) => call.delivery.taskId),
      ];
      const what = ids.length === 1 ? ids[0] : `a batch of ${ids.length}`;
      attempt.reject(new WorkerLostError(`The thread that ran ${name} (${what}) was lost: ${how}`));
    } else if (!this.#ended && this.#hooked === undefined) {
      this.#params.logger.warn({ file: this.#params.file }, `an idle thread ended by itself: ${how}`);
    }
  }

  #describeEnd(code: number): string {
    const crash = this.#crash;
    if (this.#ended) return 'its worker ended it.';
    if (crash === undefined) return `it ended with exit code ${code}, as process.exit() in a task does.`;
    if (Reflect.get(crash, 'code') === 'ERR_WORKER_OUT_OF_MEMORY')
      return 'it ran out of memory. Let the task hold less at once, or raise maxMemoryPerChild (its heap may have twice that).';
    return `it died of an exception that nothing caught: ${crash instanceof Error ? `${crash.name}: ${crash.message}` : String(crash)}`;
  }
}

/** The fields of a delivery that can be posted; its functions, and the rate token with its own, stay on this side. */
function plain({ turn: _, ...delivery }: Delivery): PlainDelivery {
  const data = Object.entries(delivery).filter(([, value]) => typeof value !== 'function');
  return Object.fromEntries(data) as unknown as PlainDelivery;
}

function startWorker(setup: ThreadSetup, maxMemoryBytes: number | undefined): Worker {
  const heapMb = maxMemoryBytes === undefined ? undefined : Math.ceil((2 * maxMemoryBytes) / 1024 ** 2);
  return new Worker(ownFile(THREAD_FILE, 'A task runs in a thread'), {
    workerData: setup,
    transferList: [setup.port],
    name: `celeriac ${setup.appName}`,
    ...(heapMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: heapMb } }),
  });
}
