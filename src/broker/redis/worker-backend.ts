/** BullMQ's Redis backend as workers use it: lean events, and ends that fall together go together. */
import type { BackendFactory, IQueueBackend } from 'bullmq';
import { EndsTogether, endsScript } from './ends-together.js';
import { leanRedisBackend } from './event-trimming.js';
import type { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

/** Private parts of BullMQ 6.7's Redis backend. BullMQ's version is pinned, so they do not change. */
interface CommandInternals {
  readonly version: string;
  execCommand(client: unknown, name: string, args: readonly unknown[]): Promise<unknown>;
}

/** Where ioredis keeps the scripts that BullMQ has defined. */
interface Scripted {
  readonly scriptsSet?: Readonly<Record<string, { readonly lua?: unknown } | undefined>>;
}

/** One for each text: there is one version of BullMQ in a process, rarely more. */
const scripts = new Map<string, LuaScript>();

export const workerRedisBackend = ((name, opts, parts) => {
  const backend = leanRedisBackend(name, opts, parts);
  const inside = backend as unknown as CommandInternals;
  const raw = opts.connection as RedisClient;
  const run = inside.execCommand.bind(backend);
  let bullmqs: unknown;
  const ends = new EndsTogether({
    alone: (args) => run(bullmqs, 'moveToFinished', args),
    client: () => raw,
    script: () => scriptOf(raw, `moveToFinished:${inside.version}`),
  });
  inside.execCommand = (client, command, args) => {
    if (command !== 'moveToFinished') return run(client, command, args);
    bullmqs = client;
    return ends.end(args);
  };
  return backend;
}) as BackendFactory<IQueueBackend, never>;

function scriptOf(client: RedisClient, name: string): LuaScript | undefined {
  const lua = (client as Scripted).scriptsSet?.[name]?.lua;
  if (typeof lua !== 'string') return undefined;
  const known = scripts.get(lua);
  if (known !== undefined) return known;
  const made = endsScript(lua);
  scripts.set(lua, made);
  return made;
}
