/**
 * The thread's end of the connection to its worker: posts, requests, receives. A task that never yields receives
 * nothing through the event loop, so each look at its signal reads the mailbox first.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { decodeFailure, ErrorClasses } from '../../protocol/wire-error.js';
import type { FromThread, Request, RpcReply, ThreadSetup, ToThread } from './messages.js';

type News = Exclude<ToThread, { kind: 'answer' }>;

interface Asked {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class Rpc {
  readonly #port: MessagePort;
  readonly #asked = new Map<number, Asked>();
  readonly #unavailable = new WeakSet<Error>();
  #next = 0;
  #hear: (news: News) => void = () => undefined;

  constructor(private readonly setup: Pick<ThreadSetup, 'port' | 'mailbox'>) {
    this.#port = setup.port;
  }

  /** Delivers incoming messages to `hear` from now on; keeps the thread alive. */
  open(hear: (news: News) => void): void {
    this.#hear = hear;
    this.#port.on('message', (message: ToThread) => this.#receive(message));
  }

  send(message: FromThread): void {
    this.#port.postMessage(message);
  }

  /** Sends a request to the worker. Rejects with the worker's error, rebuilt as one of our classes where it is one. */
  ask(request: Request): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.send({ kind: 'ask', id, request });
    });
  }

  /** True if the worker marked this error as a lost connection. */
  isUnavailable(error: unknown): boolean {
    return error instanceof Error && this.#unavailable.has(error);
  }

  /** Reads waiting messages without the event loop. Cheap when there are none. */
  look(): void {
    if (Atomics.load(this.setup.mailbox, 0) === 0) return;
    Atomics.store(this.setup.mailbox, 0, 0);
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#receive(received.message as ToThread);
    }
  }

  #receive(message: ToThread): void {
    if (message.kind !== 'answer') {
      this.#hear(message);
      return;
    }
    const asked = this.#asked.get(message.id);
    this.#asked.delete(message.id);
    if (message.answer.ok) asked?.resolve(message.answer.value);
    else asked?.reject(this.#errorOf(message.answer));
  }

  #errorOf({ error: wire, unavailable }: Extract<RpcReply, { ok: false }>): Error {
    const error = decodeFailure(wire, new ErrorClasses());
    if (unavailable) this.#unavailable.add(error);
    return error;
  }
}
