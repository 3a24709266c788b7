/**
 * The answering side of remote control, in a worker: puts the node on the bus under a name of its own and answers
 * commands. A handler that throws answers `{ error }`; it never harms the worker.
 */
import { type Bus, openBus } from '../broker/bus.js';
import type { Engine } from '../broker/engine.js';
import {
  type CommandHandlers,
  type CommandName,
  type CommandRequest,
  topicOf,
  WORKER_MARK,
} from './commands.js';

export interface ResponderParams {
  readonly engine: Engine;
  readonly prefix: string;
  /** The node name wanted; a suffix is added when a living node has it already. */
  readonly name: string;
  readonly handlers: CommandHandlers;
  readonly onError: (error: Error) => void;
}

export interface Responder {
  /** The name the node got. */
  readonly node: string;
  close(): Promise<void>;
}

/** Joins the bus; resolves when commands are heard. */
export async function startResponder(params: ResponderParams): Promise<Responder> {
  const { engine, prefix, handlers, onError } = params;
  const node = await freeName(params);
  const bus = openBus(engine, prefix, WORKER_MARK + node, onError);
  await bus.ready();
  await bus.subscribe(topicOf(bus.nodeId), (data) => {
    answer(bus, node, handlers, data as CommandRequest).catch(onError);
  });
  return { node, close: () => bus.close() };
}

/** Of two nodes with one name the first keeps it. */
async function freeName({ engine, prefix, name, onError }: ResponderParams): Promise<string> {
  const scout = openBus(engine, prefix, 'scout', onError);
  try {
    await scout.ready();
    const taken = new Set((await scout.nodes()).map((node) => node.name));
    for (let suffix = 1; ; suffix++) {
      const candidate = suffix === 1 ? name : `${name}-${suffix}`;
      if (!taken.has(WORKER_MARK + candidate)) return candidate;
    }
  } finally {
    await scout.close();
  }
}

async function answer(
  bus: Bus,
  node: string,
  handlers: CommandHandlers,
  request: CommandRequest,
): Promise<void> {
  const reply = await handle(handlers, request);
  await bus.publish(request.replyTo, { id: request.id, node, reply });
}

async function handle(handlers: CommandHandlers, { command, args }: CommandRequest): Promise<unknown> {
  if (!Object.hasOwn(handlers, command)) return { error: `unknown command "${command}"` };
  try {
    return await handlers[command as CommandName](args as never);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
