/**
 * The benchmark's own Redis: on a free port of 127.0.0.1, nothing written to disk, ended by its id.
 * Also reads what it has used, from `INFO`.
 */
import { tmpdir } from 'node:os';
import { Redis } from 'ioredis';
import {
  addressOf,
  type Broker,
  type BrokerAddress,
  type BrokerReading,
  freePort,
  HOST,
  untilUp,
} from './broker.js';
import type { Child, Children } from './children.js';

/** Of this file, and of the subjects whose progress is the size of a database. */
const OWN_COMMANDS: ReadonlySet<string> = new Set(['info', 'dbsize']);

export class RedisServer implements Broker {
  readonly scale = 1;
  readonly title: string;
  readonly address: BrokerAddress;
  readonly version: string;
  readonly #children: Children;
  readonly #child: Child;
  readonly #client: Redis;

  private constructor(parts: {
    address: BrokerAddress;
    version: string;
    children: Children;
    child: Child;
    client: Redis;
  }) {
    this.address = parts.address;
    this.version = parts.version;
    this.title = `Redis ${parts.version}`;
    this.#children = parts.children;
    this.#child = parts.child;
    this.#client = parts.client;
  }

  /** @throws when `redis-server` is not installed or does not answer */
  static async start(children: Children): Promise<RedisServer> {
    const address = addressOf(`redis://${HOST}:${await freePort()}`);
    const args = [
      '--bind',
      HOST,
      '--port',
      String(address.port),
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      tmpdir(),
    ];
    const child = children.spawn('redis-server', args);
    child.process.stdout.resume();
    const { host, port } = address;
    const client = new Redis({ host, port, lazyConnect: true, retryStrategy: null });
    client.on('error', () => {});
    await untilUp(child, () => client.connect());
    const version = infoField(await client.info('server'), 'redis_version');
    return new RedisServer({ address, version, children, child, client });
  }

  async flush(): Promise<void> {
    await this.#client.flushall('SYNC');
  }

  async read(): Promise<BrokerReading> {
    const cpu = await this.#client.info('cpu');
    const stats = await this.#client.info('commandstats');
    const seconds = Number(infoField(cpu, 'used_cpu_sys')) + Number(infoField(cpu, 'used_cpu_user'));
    return { cpuMs: seconds * 1_000, calls: parseCalls(stats) };
  }

  async usedBytes(): Promise<number> {
    return Number(infoField(await this.#client.info('memory'), 'used_memory'));
  }

  async stop(): Promise<void> {
    this.#client.disconnect();
    await this.#children.stop(this.#child, 5_000);
  }
}

/** Calls between two readings, by command, without what the benchmark itself asks. */
export function callsBetween(before: BrokerReading, after: BrokerReading): Map<string, number> {
  const calls = new Map<string, number>();
  for (const [command, total] of after.calls ?? []) {
    const count = total - (before.calls?.get(command) ?? 0);
    if (count > 0 && !OWN_COMMANDS.has(command)) calls.set(command, count);
  }
  return calls;
}

function infoField(info: string, field: string): string {
  const line = info.split('\r\n').find((candidate) => candidate.startsWith(`${field}:`));
  return line?.slice(field.length + 1) ?? '';
}

/** Lines like `cmdstat_evalsha:calls=12,usec=345,...`. */
function parseCalls(info: string): Map<string, number> {
  const calls = new Map<string, number>();
  for (const match of info.matchAll(/^cmdstat_(.+?):calls=(\d+)/gm)) {
    const [, command = '', count = '0'] = match;
    calls.set(command, Number(count));
  }
  return calls;
}
