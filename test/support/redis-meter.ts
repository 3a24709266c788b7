/** Looks at Redis servers from outside: who is connected, what they were asked, what they used. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';

export interface RedisMeter {
  /** The first server, or the only one. */
  readonly client: Redis;
  /** The server of a Cluster that has this key. */
  holder(key: string): Promise<Redis>;
  /** Makes a user, so that its connections can be told from others; its password is `secret`. */
  admit(user: string): Promise<void>;
  /** How many connections a user has on each server. */
  connections(user: string): Promise<readonly number[]>;
  /** Closes them from the servers' side; how many there were. */
  cut(user: string): Promise<number>;
  /** Channels of waits that somebody listens to, sharded ones included; workers listen to others. */
  channels(): Promise<number>;
  /** Counts the commands a user's connections send, from now until it is asked; what scripts call is not among them. */
  counting(user: string): Promise<() => Promise<number>>;
  cpuMs(): Promise<number>;
  close(): void;
}

export async function redisMeter(...ports: readonly [number, ...number[]]): Promise<RedisMeter> {
  const [first, ...others] = ports;
  const client = new Redis({ host: '127.0.0.1', port: first });
  const nodes = [client, ...others.map((port) => new Redis({ host: '127.0.0.1', port }))];
  const onEach = <T>(ask: (node: Redis) => Promise<T>) => Promise.all(nodes.map(ask));
  return {
    client,
    holder: async (key) => {
      for (const node of nodes) if (await holds(node, key)) return node;
      throw new Error(`no server has ${key}`);
    },
    admit: async (user) =>
      void (await onEach((node) => node.acl('SETUSER', user, 'on', '>secret', '~*', '&*', '+@all'))),
    connections: (user) => onEach(async (node) => (await addresses(node, user)).length),
    cut: async (user) => sum(await onEach(async (node) => Number(await node.client('KILL', 'USER', user)))),
    channels: async () => sum(await onEach(waitedFor)),
    counting: async (user) => {
      const counts = await onEach((node) => counting(node, user));
      return async () => sum(await Promise.all(counts.map((count) => count())));
    },
    cpuMs: async () => sum(await onEach(cpuMs)),
    close: () => {
      for (const node of nodes) node.disconnect();
    },
  };
}

async function holds(node: Redis, key: string): Promise<boolean> {
  try {
    await node.exists(key);
    return true;
  } catch (error) {
    if (/^MOVED/.test(String((error as Error).message))) return false;
    throw error;
  }
}

async function addresses(node: Redis, user: string): Promise<string[]> {
  const lines = String(await node.client('LIST')).split('\n');
  return lines.flatMap((line) =>
    line.includes(` user=${user} `) ? [/ addr=(\S+)/.exec(line)?.[1] ?? ''] : [],
  );
}

async function waitedFor(node: Redis): Promise<number> {
  const plain = (await node.pubsub('CHANNELS')) as unknown[];
  const sharded = (await node.pubsub('SHARDCHANNELS')) as unknown[];
  return [...plain, ...sharded].filter((name) => /:[0-9a-z]{12}\/\d+$/.test(String(name))).length;
}

async function counting(node: Redis, user: string): Promise<() => Promise<number>> {
  const bySource = new Map<string, number>();
  const end = await monitor(node, (source) => bySource.set(source, (bySource.get(source) ?? 0) + 1));
  const before = await addresses(node, user);
  return async () => {
    const all = new Set([...before, ...(await addresses(node, user))]);
    await end();
    return sum([...all].map((address) => bySource.get(address) ?? 0));
  };
}

/** Where each command came from: an address, or `lua`. A socket of its own: ioredis takes a line in the reply's packet for an error. */
async function monitor(node: Redis, heard: (source: string) => void): Promise<() => Promise<void>> {
  const socket = createConnection(node.options.port ?? 0, '127.0.0.1');
  const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
  socket.write('MONITOR\r\n');
  await once(lines, 'line');
  lines.on('line', (line) => {
    const [, source] = /^\+[\d.]+ \[\d+ ([^\]]+)\]/.exec(line) ?? [];
    if (source !== undefined) heard(source);
  });
  return async () => {
    const last = randomUUID();
    const through = new Promise<void>((resolve) =>
      lines.on('line', (line) => {
        if (line.includes(last)) resolve();
      }),
    );
    await node.echo(last);
    await through;
    socket.destroy();
  };
}

async function cpuMs(node: Redis): Promise<number> {
  const info = await node.info('cpu');
  const seconds = (field: string) => Number(new RegExp(`^${field}:(.+)$`, 'm').exec(info)?.[1]);
  return (seconds('used_cpu_sys') + seconds('used_cpu_user')) * 1000;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
