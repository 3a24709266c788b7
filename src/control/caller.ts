/**
 * The asking side of remote control: sends a command to workers and collects their answers, until every live one has
 * answered or the time is up. Joins the bus at the first question.
 */
import { type Bus, openBus } from '../broker/bus.js';
import type { Engine } from '../broker/engine.js';
import { type Duration, toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { nearest } from '../options/names.js';
import {
  type CommandName,
  type CommandReply,
  type CommandRequest,
  type Commands,
  type Replies,
  topicOf,
  WORKER_MARK,
} from './commands.js';

/** Whom to ask, and how long to wait. */
export interface AskOptions {
  /** Node names; default: all workers. */
  destination?: readonly string[];
  /** How long to wait for silent nodes. Default: 1 s. */
  timeout?: Duration;
}

export class Caller {
  #bus: Promise<Bus> | undefined;
  readonly #open = new Map<string, (reply: CommandReply) => void>();
  #next = 0;

  constructor(
    private readonly engine: Engine,
    private readonly prefix: string,
    private readonly onError: (error: Error) => void,
  ) {}

  /** One reply per node, by name; `{ error: 'no answer' }` for a silent one; nobody there: `{}`. */
  async ask<C extends CommandName>(
    command: C,
    args: Commands[C]['args'],
    options: AskOptions = {},
  ): Promise<Replies<Commands[C]['reply']>> {
    const timeoutMs = toPositiveMs(options.timeout ?? '1s', `control.${command}: timeout`);
    await this.engine.ready();
    const release = this.engine.hold();
    try {
      const bus = await this.#join();
      const targets = await this.#targets(bus, options.destination);
      const replies = await this.#collect(bus, command, args, targets, timeoutMs);
      return replies as Replies<Commands[C]['reply']>;
    } finally {
      release();
    }
  }

  async close(): Promise<void> {
    const bus = await this.#bus?.catch(() => undefined);
    await bus?.close();
  }

  async #collect(
    bus: Bus,
    command: CommandName,
    args: object,
    targets: ReadonlyMap<string, string>,
    timeoutMs: number,
  ): Promise<Record<string, unknown>> {
    const replies: Record<string, unknown> = {};
    if (targets.size === 0) return replies;
    const id = `${bus.nodeId}-${this.#next++}`;
    let timer: NodeJS.Timeout | undefined;
    const complete = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
      this.#open.set(id, ({ node, reply }) => {
        replies[node] = reply;
        if (Object.keys(replies).length >= targets.size) resolve();
      });
    });
    const request: CommandRequest = { id, command, args: { ...args }, replyTo: topicOf(bus.nodeId) };
    await Promise.all([...targets.keys()].map((nodeId) => bus.publish(topicOf(nodeId), request)));
    await complete;
    clearTimeout(timer);
    this.#open.delete(id);
    for (const name of targets.values()) replies[name] ??= { error: 'no answer' };
    return replies;
  }

  /** Bus id → node name of the workers asked. */
  async #targets(bus: Bus, destination: readonly string[] | undefined): Promise<Map<string, string>> {
    const workers = new Map<string, string>();
    for (const node of await bus.nodes()) {
      if (node.name.startsWith(WORKER_MARK)) workers.set(node.id, node.name.slice(WORKER_MARK.length));
    }
    if (destination === undefined) return workers;
    const names = new Set(workers.values());
    for (const name of destination) {
      if (names.has(name)) continue;
      const near = nearest(name, names);
      throw new OptionError(
        `destination: no worker is called "${name}". ${near === undefined ? `Workers: ${[...names].join(', ') || 'none'}.` : `Did you mean "${near}"?`}`,
      );
    }
    return new Map([...workers].filter(([, name]) => destination.includes(name)));
  }

  #join(): Promise<Bus> {
    this.#bus ??= this.#openBus().catch((error: unknown) => {
      this.#bus = undefined;
      throw error;
    });
    return this.#bus;
  }

  async #openBus(): Promise<Bus> {
    const bus = openBus(this.engine, this.prefix, 'caller', this.onError);
    await bus.ready();
    await bus.subscribe(topicOf(bus.nodeId), (data) => {
      const reply = data as CommandReply;
      this.#open.get(reply.id)?.(reply);
    });
    return bus;
  }
}
