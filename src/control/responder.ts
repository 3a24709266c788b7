/**
 * The answering side of remote control, in a worker: joins the bus under a unique node name and answers commands. If
 * a handler throws, the answer is `{ error }`; a command must never harm the worker.
 */

import type { Engine } from '../broker/broker.js';
import { type Bus, type BusNode, openBus } from '../broker/bus.js';
import {
  type CommandHandlers,
  type CommandName,
  type CommandRequest,
  topicOf,
  WORKER_MARK,
} from './commands.js';
import { reportLostNodes } from './lost-nodes.js';
import { readArgs, readRequest } from './requests.js';

export interface ResponderParams {
  readonly engine: Engine;
  readonly prefix: string;
  /** The preferred node name; a suffix is added when a live node has it already. */
  readonly name: string;
  readonly handlers: CommandHandlers;
  /** Called with the name of another node that was lost, in one process of the fleet. */
  onLost(node: string): void;
  readonly onError: (error: Error) => void;
}

export interface Responder {
  /** The node's actual name. */
  readonly node: string;
  close(): Promise<void>;
}

/** Joins the bus under a unique name; resolves when commands are received. */
export async function startResponder(params: ResponderParams): Promise<Responder> {
  const { engine, prefix, name, handlers, onError } = params;
  let node = await firstChoice(params);
  for (;;) {
    const bus = openBus(engine, prefix, WORKER_MARK + node, onError);
    try {
      await bus.ready();
      const better = await otherName(bus, node, name);
      if (better === undefined) {
        await bus.subscribe(topicOf(bus.nodeId), (data) => {
          const request = readRequest(data);
          // Not a request: there is no sender to answer.
          if (request !== undefined) answer(bus, node, handlers, request).catch(onError);
        });
        const stopReporting = reportLostNodes(bus, (lost) => params.onLost(lost), onError);
        return {
          node,
          close: () => {
            stopReporting();
            return bus.close();
          },
        };
      }
      node = better;
    } catch (error) {
      // Not awaited: the goodbye may hang on whatever failed.
      bus.close().catch(onError);
      throw error;
    }
    await bus.close();
  }
}

/** The name to try first: of two nodes with one name, the first keeps it. */
async function firstChoice({ engine, prefix, name, onError }: ResponderParams): Promise<string> {
  const scout = openBus(engine, prefix, 'scout', onError);
  try {
    await scout.ready();
    return freeNames(name, namesOf(await scout.nodes()))[0] ?? name;
  } finally {
    await scout.close();
  }
}

/**
 * Nodes that start together find the same name free. The node that joined first sees so and keeps the name. Each
 * later node sees those before it, and takes the free name at its own position in the list.
 */
export async function otherName(
  bus: Pick<Bus, 'nodeId' | 'nodes'>,
  node: string,
  wanted: string,
): Promise<string | undefined> {
  const nodes = await bus.nodes();
  const same = nodes.filter(({ name }) => name === WORKER_MARK + node).sort(bySeniority);
  const rank = same.findIndex(({ id }) => id === bus.nodeId);
  return rank <= 0 ? undefined : freeNames(wanted, namesOf(nodes), rank)[rank - 1];
}

function bySeniority(a: BusNode, b: BusNode): number {
  return a.since - b.since || (a.id < b.id ? -1 : 1);
}

function namesOf(nodes: readonly BusNode[]): Set<string> {
  return new Set(nodes.map(({ name }) => name));
}

/** The first free names: the preferred one, then with a suffix. */
function freeNames(wanted: string, taken: ReadonlySet<string>, count = 1): string[] {
  const free: string[] = [];
  for (let suffix = 1; free.length < count; suffix++) {
    const candidate = suffix === 1 ? wanted : `${wanted}-${suffix}`;
    if (!taken.has(WORKER_MARK + candidate)) free.push(candidate);
  }
  return free;
}

async function answer(
  bus: Bus,
  node: string,
  handlers: CommandHandlers,
  request: CommandRequest,
): Promise<void> {
  const { id, replyTo } = request;
  const reply = await handle(handlers, request);
  try {
    await bus.publish(replyTo, { id, node, reply });
  } catch (error) {
    // Too large, or not JSON: a reply that says so is better than none.
    await bus.publish(replyTo, {
      id,
      node,
      reply: { error: `the reply could not be sent: ${textOf(error)}` },
    });
    throw error;
  }
}

/** Runs a node's handler; never rejects. */
export async function handle(
  handlers: CommandHandlers,
  { command, args }: Pick<CommandRequest, 'command' | 'args'>,
): Promise<unknown> {
  if (!isCommand(command, handlers)) return { error: `unknown command "${command}"` };
  try {
    return await handlers[command](readArgs(command, args) as never);
  } catch (error) {
    return { error: textOf(error) };
  }
}

function isCommand(command: string, handlers: CommandHandlers): command is CommandName {
  return Object.hasOwn(handlers, command);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
