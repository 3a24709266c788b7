/**
 * The asking side of remote control: sends a command to workers and collects the answers, until every live worker has
 * answered or the time is up. It joins the bus only while it asks, and for a moment after: a node on the bus has
 * timers and sockets that keep the process alive, and a script must be able to end by itself.
 */

import type { Engine } from '../broker/broker.js';
import { type Bus, openBus } from '../broker/bus.js';
import { type Duration, toPositiveMs } from '../duration.js';
import { BrokerUnavailableError, OptionError } from '../errors.js';
import { after, type Cancel } from '../timers.js';
import {
  type CommandName,
  type CommandReply,
  type CommandRequest,
  type Commands,
  NO_ANSWER,
  type Replies,
  topicOf,
  WORKER_MARK,
} from './commands.js';
import { readReply } from './requests.js';

/** Which nodes to ask, and how long to wait. */
export interface AskOptions {
  /** Node names; default: all workers. */
  destination?: readonly string[];
  /** How long to wait for silent nodes. Default: 1 s. */
  timeout?: Duration;
}

/** Sends commands to workers; in a thread, through the thread's worker. */
export interface Asking {
  /** One reply per node, by name: `{ error: 'no answer' }` for a silent node, `{}` without nodes. */
  ask<C extends CommandName>(
    command: C,
    args: Commands[C]['args'],
    options?: AskOptions,
  ): Promise<Replies<Commands[C]['reply']>>;
  close(): Promise<void>;
}

export class Caller implements Asking {
  #joined: Joined | undefined;
  /** Number of requests that await answers. */
  #asking = 0;
  /** Cancels the timer that leaves the bus after the last request. */
  #stay: Cancel | undefined;
  readonly #goodbyes = new Set<Promise<void>>();
  readonly #open = new Map<string, (reply: CommandReply) => void>();
  #next = 0;

  constructor(
    private readonly engine: Engine,
    private readonly prefix: string,
    private readonly onError: (error: Error) => void,
  ) {}

  async ask<C extends CommandName>(
    command: C,
    args: Commands[C]['args'],
    options: AskOptions = {},
  ): Promise<Replies<Commands[C]['reply']>> {
    const { destination, timeoutMs } = checkAsk(options, `control.${command}`);
    await this.engine.ready();
    const release = this.engine.hold();
    this.#begin();
    try {
      const { bus, workers } = await this.#inTime(this.#lookAround());
      const targets = only(workers, destination);
      const replies = await this.#collect(bus, command, args, targets, timeoutMs);
      return replies as Replies<Commands[C]['reply']>;
    } finally {
      this.#end();
      release();
    }
  }

  async close(): Promise<void> {
    this.#stay?.();
    if (this.#joined !== undefined) this.#leave(this.#joined);
    await Promise.all(this.#goodbyes);
  }

  #begin(): void {
    this.#stay?.();
    this.#asking++;
  }

  /** Leaves the bus only after a moment: requests mostly follow each other, and joining again takes time. */
  #end(): void {
    if (--this.#asking > 0) return;
    this.#stay = after(STAY_MS, () => {
      if (this.#joined !== undefined) this.#leave(this.#joined);
    });
  }

  async #collect(
    bus: Bus,
    command: CommandName,
    args: object,
    targets: ReadonlyMap<string, string>,
    timeoutMs: number,
  ): Promise<Record<string, unknown>> {
    const replies = new Map<string, unknown>();
    if (targets.size === 0) return {};
    const id = `${bus.nodeId}-${this.#next++}`;
    const pending = new Map(targets);
    const complete = gate(timeoutMs);
    const asked = new Set(targets.values());
    this.#open.set(id, ({ node, reply }) => {
      if (!asked.has(node)) return;
      replies.set(node, reply);
      for (const [nodeId, name] of pending) if (name === node) pending.delete(nodeId);
      if (pending.size === 0) complete.open();
    });
    const looking = setInterval(() => {
      // Unreachable: the time limit ends the wait.
      dropThoseWhoLeft(bus, pending, complete.open).catch(() => undefined);
    }, LOOK_AGAIN_MS);
    try {
      const request: CommandRequest = { id, command, args: { ...args }, replyTo: topicOf(bus.nodeId) };
      const sent = [...targets.keys()].map((nodeId) => bus.publish(topicOf(nodeId), request));
      await Promise.race([complete.opened, Promise.all(sent).then(() => complete.opened)]);
    } finally {
      clearInterval(looking);
      complete.open();
      this.#open.delete(id);
    }
    for (const name of pending.values()) replies.set(name, { error: NO_ANSWER });
    return Object.fromEntries(replies);
  }

  /** Joins the bus and lists the workers on it: node names by bus id. */
  async #lookAround(): Promise<{ bus: Bus; workers: Map<string, string> }> {
    for (let looks = 1; ; looks++) {
      const joined = this.#join();
      await joined.ready;
      const { bus } = joined;
      const nodes = await bus.nodes();
      if (looks < MOST_LOOKS && !nodes.some(({ id }) => id === bus.nodeId)) {
        // The broker was restarted and has lost all nodes: no reply would find its way back.
        this.#leave(joined);
        continue;
      }
      const workers = nodes.filter(({ name }) => name.startsWith(WORKER_MARK));
      return { bus, workers: new Map(workers.map(({ id, name }) => [id, name.slice(WORKER_MARK.length)])) };
    }
  }

  /**
   * Leaves, unless another request has left and joined again meanwhile. Not awaited: the goodbye may hang on a lost
   * connection.
   */
  #leave(joined: Joined): void {
    if (this.#joined !== joined) return;
    this.#joined = undefined;
    const goodbye = joined.bus.close().catch(this.onError);
    this.#goodbyes.add(goodbye);
    void goodbye.then(() => this.#goodbyes.delete(goodbye));
  }

  /** Bounds the wait: the bus itself would wait for an unavailable broker for ever. */
  #inTime<R>(looking: Promise<R>): Promise<R> {
    const { address } = this.engine;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const text = `Timed out after ${LOOK_MS / 1000} s listing workers on the broker at ${address}.`;
        reject(new BrokerUnavailableError(text, { address }));
      }, LOOK_MS);
      looking.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  #join(): Joined {
    if (this.#joined !== undefined) return this.#joined;
    const bus = openBus(this.engine, this.prefix, 'caller', this.onError);
    const joined = { bus, ready: this.#listen(bus) };
    this.#joined = joined;
    joined.ready.catch(() => this.#leave(joined));
    return joined;
  }

  async #listen(bus: Bus): Promise<void> {
    await bus.ready();
    await bus.subscribe(topicOf(bus.nodeId), (data) => {
      const reply = readReply(data);
      if (reply !== undefined) this.#open.get(reply.id)?.(reply);
    });
  }
}

/** Our node on the bus; `ready` once answers reach it. */
interface Joined {
  readonly bus: Bus;
  readonly ready: Promise<void>;
}

/** @throws {OptionError} for invalid values */
export function checkAsk(
  { destination, timeout = '1s' }: AskOptions,
  where: string,
): { readonly destination: readonly string[] | undefined; readonly timeoutMs: number } {
  if (destination !== undefined && !Array.isArray(destination))
    throw new OptionError(`${where}: destination ${String(destination)} must be a list of node names.`);
  return { destination, timeoutMs: toPositiveMs(timeout, `${where}: timeout`) };
}

/** How long to stay on the bus after the last answer, ms; delays the end of a script by as much. */
const STAY_MS = 100;
const MOST_LOOKS = 3;
/** Longest wait for the list of workers, connecting included, ms; an embedded engine takes some seconds to start. */
const LOOK_MS = 15_000;
/** While answers are missing, how often to check which workers are left, ms. */
const LOOK_AGAIN_MS = 250;

/** Drops workers that stopped meanwhile: they will not answer, but are not silent either. */
async function dropThoseWhoLeft(
  bus: Bus,
  pending: Map<string, string>,
  onNoneLeft: () => void,
): Promise<void> {
  const there = new Set((await bus.nodes()).map(({ id }) => id));
  for (const nodeId of pending.keys()) if (!there.has(nodeId)) pending.delete(nodeId);
  if (pending.size === 0) onNoneLeft();
}

/** Opens on request, or after a while. */
function gate(timeoutMs: number): { opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    const cancel = after(timeoutMs, resolve);
    open = () => {
      cancel();
      resolve();
    };
  });
  return { opened, open: () => open() };
}

/** Nodes come and go: a name that no node has gives no answer and no error. */
function only(workers: Map<string, string>, destination: readonly string[] | undefined): Map<string, string> {
  if (destination === undefined) return workers;
  return new Map([...workers].filter(([, name]) => destination.includes(name)));
}
