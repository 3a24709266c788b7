/**
 * Changes to every ioredis client of ours, and to every client that BullMQ duplicates from one: the client starts for a
 * user without the right to INFO, and reconnects to find the master when its server has become a replica. The owner is
 * passed every such client.
 */
import type { Redis } from 'ioredis';
import { READONLY } from './errors.js';
import type { RedisClient } from './url.js';

/**
 * How long a socket may take to close before it is destroyed, ms. With ioredis' own 2 s, a process would live on for as
 * long after its app was closed.
 */
export const DISCONNECT_MS = 50;

/** Changes a client in place. @param onMade called with the client, and with each duplicate of it */
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
 * Reconnects a client at the first answer that only a replica gives. Later such answers on the same connection only reject
 * their commands: ioredis would add a listener to the socket for every one.
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

/** Falls back to HELLO, which any user may call. ioredis reads from INFO whether the server loads, BullMQ the version. */
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

/** The facts of HELLO in the form of INFO. */
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
