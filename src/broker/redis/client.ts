/**
 * What every ioredis client of ours does beyond ioredis, and every client that BullMQ duplicates from one: it starts for a
 * user without the right to INFO, it looks for the master when its server has become a replica, and its owner is shown each
 * that connects.
 */
import type { Redis } from 'ioredis';
import { READONLY } from './errors.js';
import type { RedisClient } from './url.js';

/**
 * How long a socket may take to say goodbye before it is destroyed, ms. ioredis' own 2 s keep a process alive for as long
 * after its app was closed.
 */
export const DISCONNECT_MS = 50;

/** @param onMade is shown the client, and each that is duplicated from it */
export function tended<C extends RedisClient>(client: C, onMade: (client: C) => void = () => undefined): C {
  withoutInfoRight(client);
  if (client.isCluster)
    client.on('+node', (node: Redis) => {
      withoutInfoRight(node);
      reconnectingOnce(node);
    });
  else reconnectingOnce(client as Redis);
  const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => C;
  Object.assign(client, { duplicate: (...args: unknown[]) => tended(duplicate(...args), onMade) });
  onMade(client);
  return client;
}

/**
 * The first answer that only a replica gives makes a client connect anew. Each that follows on the same connection is only
 * told to who asked: ioredis would add a listener to the socket for every one.
 */
function reconnectingOnce(client: Redis): void {
  let leaving = false;
  client.on('close', () => {
    leaving = false;
  });
  client.options.reconnectOnError = (error) => {
    if (leaving || !READONLY.test(error.message)) return false;
    leaving = true;
    return true;
  };
}

/** ioredis asks INFO whether the server is loading its data, BullMQ for its version. Anybody may ask HELLO for the latter. */
function withoutInfoRight(client: RedisClient): void {
  const ask = client.info.bind(client) as (...args: unknown[]) => Promise<string>;
  const info = (...args: unknown[]): Promise<string> => {
    const callback = args.at(-1);
    const sections = typeof callback === 'function' ? args.slice(0, -1) : args;
    const answer = ask(...sections).catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.startsWith('NOPERM')) throw error;
      return client.call('HELLO').then(asInfo);
    });
    if (typeof callback === 'function')
      answer.then(
        (text) => void callback(null, text),
        (error: unknown) => void callback(error),
      );
    return answer;
  };
  Object.assign(client, { info });
}

/** What HELLO says, in the form of INFO. */
export function asInfo(hello: unknown): string {
  const facts = Array.isArray(hello)
    ? new Map(hello.flatMap((key: unknown, i) => (i % 2 === 0 ? [[String(key), hello[i + 1]] as const] : [])))
    : new Map(Object.entries((hello ?? {}) as object));
  const server = String(facts.get('server') ?? 'redis');
  const role = facts.get('role') === 'replica' ? 'slave' : 'master';
  return [`${server}_version:${String(facts.get('version') ?? '')}`, `role:${role}`, 'loading:0', ''].join(
    '\r\n',
  );
}
