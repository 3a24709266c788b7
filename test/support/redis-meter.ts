/** Looks at a Redis from outside: who is connected, what it was asked, what it used. Its own commands are left out. */
import { Redis } from 'ioredis';

export interface RedisMeter {
  readonly client: Redis;
  /** Ids of the connections a user has. */
  connections(user: string): Promise<readonly string[]>;
  /** Closes them from the server's side. */
  cut(user: string): Promise<void>;
  /** Channels of waits that somebody listens to, sharded ones included; workers listen to others. */
  channels(): Promise<number>;
  /** Commands programs have sent so far; what scripts call is not among them. */
  commands(): Promise<number>;
  cpuMs(): Promise<number>;
  close(): void;
}

/** What the scripts of waiting call, and what the meter itself sends. */
const NOT_SENT = new Set([
  'hmget',
  'exists',
  'info',
  'client|list',
  'client|kill',
  'pubsub|channels',
  'pubsub|shardchannels',
]);

export async function redisMeter(port: number): Promise<RedisMeter> {
  const client = new Redis({ host: '127.0.0.1', port });
  return {
    client,
    connections: async (user) => {
      const lines = String(await client.client('LIST')).split('\n');
      return lines.flatMap((line) =>
        line.includes(` user=${user} `) ? [/^id=(\d+)/.exec(line)?.[1] ?? ''] : [],
      );
    },
    cut: async (user) => void (await client.client('KILL', 'USER', user)),
    channels: async () => {
      const plain = (await client.pubsub('CHANNELS')) as unknown[];
      const sharded = (await client.pubsub('SHARDCHANNELS')) as unknown[];
      return [...plain, ...sharded].filter((name) => /:[0-9a-z]{12}\/\d+$/.test(String(name))).length;
    },
    commands: async () => {
      const info = await client.info('commandstats');
      let sum = 0;
      for (const [, name = '', calls = '0'] of info.matchAll(/^cmdstat_(.+?):calls=(\d+)/gm)) {
        if (!NOT_SENT.has(name)) sum += Number(calls);
      }
      return sum;
    },
    cpuMs: async () => {
      const info = await client.info('cpu');
      const seconds = (field: string) => Number(new RegExp(`^${field}:(.+)$`, 'm').exec(info)?.[1]);
      return (seconds('used_cpu_sys') + seconds('used_cpu_user')) * 1000;
    },
    close: () => client.disconnect(),
  };
}
