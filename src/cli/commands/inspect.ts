/**
 * `celeriac inspect …`, `status` and `list`: show what the workers do. They must never change anything.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { appSpec } from '../connect.js';
import {
  addBroadcastFlags,
  type Broadcast,
  type BroadcastFlags,
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

type Inspect = ReturnType<Celeriac['inspect']>;
type Method = keyof Inspect;

interface InspectFlags extends BroadcastFlags {
  readonly tag?: string;
}

/** Adds `inspect`, `status` and `list` to the program. */
export function addInspectCommands(program: Command): void {
  const inspect = program.command('inspect').description('ask the workers what they are doing');
  for (const { name, method, about } of INSPECTIONS) {
    const command = addBroadcastFlags(inspect.command(name).description(about));
    if (name === 'active') command.option('--tag <tag>', 'only those with this tag');
    command.action((_flags, self: Command) => ask(self, name, method));
  }
  addBroadcastFlags(
    inspect.command('query-task').argument('<id...>').description('where these tasks are'),
  ).action((ids: string[], _flags, command: Command) => ask(command, 'query-task', 'queryTask', ids));

  addBroadcastFlags(program.command('status').description('which workers are online')).action(
    (_flags, command: Command) => ask(command, 'status', 'ping'),
  );
  addBroadcastFlags(
    program
      .command('list')
      .description('registered tasks, and the nodes that run them; without a worker, those of your code'),
  ).action((_flags, command: Command) => ask(command, 'list', 'registered', [], ofTheCode));
}

async function ask(
  command: Command,
  name: InspectionName,
  method: Method,
  ids: readonly string[] = [],
  instead: Broadcast['instead'] = undefined,
): Promise<void> {
  const flags = command.optsWithGlobals<InspectFlags>();
  await broadcast(flags, {
    ask: (app, options) => callInspect(app.inspect(options), method, { ids, tag: flags.tag }),
    show: async (replies, out) => {
      const { showReplies } = await import('./inspect-views.js');
      showReplies(name, replies, out);
    },
    ...(instead !== undefined && { instead }),
  });
}

/** The tasks that the module of -A registers, under the name of the app. */
function ofTheCode(app: Celeriac, flags: BroadcastFlags): { replies: Replies; from: string } | undefined {
  const spec = appSpec(flags);
  if (spec === undefined || flags.destination !== undefined) return undefined;
  return { replies: { [app.name]: app.worker().describe().tasks }, from: `the code of -A ${spec}` };
}

function callInspect(
  inspect: Inspect,
  method: Method,
  { ids, tag }: { readonly ids: readonly string[]; readonly tag: string | undefined },
): Promise<Replies> {
  if (method === 'queryTask') return inspect.queryTask(...ids);
  if (method === 'active') return inspect.active(tag === undefined ? {} : { tag });
  return inspect[method]();
}
