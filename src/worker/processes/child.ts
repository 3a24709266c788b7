/**
 * One worker process, as its supervisor sees it: starting, ready, leaving, gone. It answers commands over IPC. Its
 * last record is kept here, so that its counts outlive it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { CeleriacError } from '../../errors.js';
import { ownFile } from '../../own-files.js';
import { decodeFailure, type ErrorClasses } from '../../protocol/wire-error.js';
import { after } from '../../timers.js';
import { PROCESS_FILE } from '../threads/app-module.js';
import { within } from '../within.js';
import type { FromProcess, ProcessRecord, ProcessSetup, ToProcess } from './messages.js';

/** How a process ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The reason it announced for leaving, if it did. */
  readonly left: string | undefined;
  /** How long it was ready, ms; 0 if it never was. */
  readonly readyMs: number;
  /** Why it could not start, as it reported. */
  readonly failure: Error | undefined;
}

export interface ChildParams {
  setup(): ProcessSetup;
  readonly errors: ErrorClasses;
  /** It takes no more tasks and will end. */
  onLeaving(child: Child, why: string): void;
  onEnd(child: Child, end: ChildEnd): void;
}

/** How long to wait for its last messages: a child process of its own may hold the channel open, ms. */
const LAST_MESSAGES_MS = 1_000;

export class Child {
  readonly pid: number;
  /** Resolves when it can take tasks; rejects when it never will. */
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  /** The last record that it sent. */
  record: ProcessRecord = { processed: {}, running: 0, concurrency: 0, metrics: [], queues: [] };
  readonly #process: ChildProcess;
  readonly #answers = new Map<number, (reply: unknown) => void>();
  #next = 0;
  #readyAt: number | undefined;
  #left: string | undefined;
  #failure: Error | undefined;
  #settleReady: (error?: Error) => void = () => undefined;

  constructor(private readonly params: ChildParams) {
    this.#process = fork(ownFile(PROCESS_FILE, 'A worker has processes'), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Two processes cannot share one inspector port.
      execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    });
    this.pid = this.#process.pid ?? 0;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.ready.catch(() => undefined); // onEnd reports it as well
    this.ended = new Promise((resolve) => {
      this.#process.on('error', (error) => {
        this.#failure ??= error;
        // Without a pid the process never existed, and no 'exit' event will come.
        if (this.#process.pid === undefined) this.#onExit(null, null, resolve);
      });
      this.#process.on('exit', (code, signal) => {
        // Its last messages may still be in transit: 'close' comes after them.
        const closed = once(this.#process, 'close').catch(() => undefined); // the error is handled above
        void within(closed, undefined, LAST_MESSAGES_MS).then(() => this.#onExit(code, signal, resolve));
      });
    });
    this.#process.on('message', (message: FromProcess) => this.#receive(message));
  }

  /** True once it has received the lasting commands: from then on it counts. */
  welcomed = false;

  /** Whether it takes tasks. */
  get working(): boolean {
    return this.welcomed && this.#left === undefined;
  }

  /** Sends a command; gives the answer, or undefined if none comes in time. */
  ask(command: string, args: object, timeoutMs: number): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve) => {
      const cancel = after(timeoutMs, () => answer(undefined));
      const answer = (reply: unknown) => {
        cancel();
        this.#answers.delete(id);
        resolve(reply);
      };
      this.#answers.set(id, answer);
      this.post({ kind: 'ask', id, command, args });
    });
  }

  post(message: ToProcess): void {
    // Ignore a failed send: the process has ended or is about to, and its end is reported.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #receive(message: FromProcess): void {
    switch (message.kind) {
      case 'born':
        this.post({ kind: 'setup', setup: this.params.setup() });
        return;
      case 'ready':
        this.#readyAt = performance.now();
        this.#settleReady();
        return;
      case 'failed':
        this.#failure = decodeFailure(message.error, this.params.errors);
        return;
      case 'answer':
        this.#answers.get(message.id)?.(message.reply);
        return;
      case 'leaving':
        if (this.#left !== undefined) return;
        this.#left = message.why;
        this.params.onLeaving(this, message.why);
        return;
      case 'record':
        this.record = message.record;
    }
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null, resolve: () => void): void {
    const readyMs = this.#readyAt === undefined ? 0 : performance.now() - this.#readyAt;
    for (const answer of [...this.#answers.values()]) answer(undefined);
    this.#settleReady(
      this.#failure ?? new CeleriacError(`Worker process ${this.pid} ended before it was ready.`),
    );
    this.params.onEnd(this, { code, signal, left: this.#left, readyMs, failure: this.#failure });
    resolve();
  }
}
