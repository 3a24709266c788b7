/**
 * `celeriac inspect …`, `status` and `list`: show what the workers do. They must never change anything.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import {
  addBroadcastFlags,
  type BroadcastFlags,
  type BroadcastOptions,
  broadcast,
  type Replies,
} from './broadcast.js';
import type { InspectionName } from './inspect-views.js';

/** Names on the command line, the method of `app.inspect()` behind each, and its help text. */
const INSPECTIONS = [
  { name: 'ping', method: 'ping', about: 'which workers answer' },
  { name: 'active', method: 'active', about: 'tasks that run now' },
  { name: 'scheduled', method: 'scheduled', about: 'delayed tasks of the nodes’ queues' },
  { name: 'reserved', method: 'reserved', about: 'fetched tasks that do not run yet' },
  { name: 'revoked', method: 'revoked', about: 'ids of revoked tasks' },
  { name: 'registered', method: 'registered', about: 'tasks each worker knows' },
  { name: 'stats', method: 'stats', about: 'pid, uptime, slots and counts' },
  { name: 'active-queues', method: 'activeQueues', about: 'queues each worker takes from' },
  { name: 'conf', method: 'conf', about: 'settings, secrets masked' },
  { name: 'report', method: 'report', about: 'versions and settings as text' },
] as const satisfies readonly { name: InspectionName; method: Method; about: string }[];

type Method = keyof ReturnType<Celeriac['inspect']>;

/** Adds `inspect`, `status` and `list` to the program. */
export function addInspectCommands(program: Command): void {
  const inspect = program.command('inspect').description('ask the workers what they are doing');
  for (const { name, method, about } of INSPECTIONS) {
    addBroadcastFlags(inspect.command(name).description(about)).action((_flags, command: Command) =>
      ask(command, name, method),
    );
  }
  addBroadcastFlags(
    inspect.command('query-task').argument('<id...>').description('where these tasks are'),
  ).action((ids: string[], _flags, command: Command) => ask(command, 'query-task', 'queryTask', ids));

  addBroadcastFlags(program.command('status').description('which workers are online')).action(
    (_flags, command: Command) => ask(command, 'status', 'ping'),
  );
  addBroadcastFlags(
    program.command('list').description('registered tasks, and the nodes that run them'),
  ).action((_flags, command: Command) => ask(command, 'list', 'registered'));
}

async function ask(
  command: Command,
  name: InspectionName,
  method: Method,
  ids: readonly string[] = [],
): Promise<void> {
  await broadcast(command.optsWithGlobals<BroadcastFlags>(), {
    ask: (app, options) => callInspect(app, options, method, ids),
    show: async (replies, out) => {
      const { showReplies } = await import('./inspect-views.js');
      showReplies(name, replies, out);
    },
  });
}

function callInspect(
  app: Celeriac,
  options: BroadcastOptions,
  method: Method,
  ids: readonly string[],
): Promise<Replies> {
  const inspect = app.inspect(options);
  return method === 'queryTask' ? inspect.queryTask(...ids) : inspect[method]();
}
