/**
 * The benchmark's own Redis: on a free port of 127.0.0.1, nothing written to disk, ended by its id.
 * Also reads what it has used, from `INFO`.
 */
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Child, Children } from './children.js';

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 10_000;
/** Of this file, and of the subjects whose progress is the size of a database. */
const OWN_COMMANDS: ReadonlySet<string> = new Set(['info', 'dbsize']);

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export interface RedisReading {
  readonly cpuMs: number;
  /** Calls by command since the server began, those made inside scripts included. */
  readonly calls: ReadonlyMap<string, number>;
}

export class RedisServer {
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
    this.#children = parts.children;
    this.#child = parts.child;
    this.#client = parts.client;
  }

  /** @throws when `redis-server` is not installed or does not answer */
  static async start(children: Children): Promise<RedisServer> {
    const address = { host: HOST, port: await freePort() };
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
    const client = new Redis({ ...address, lazyConnect: true, retryStrategy: null });
    client.on('error', () => {});
    await connect(client, child);
    const version = infoField(await client.info('server'), 'redis_version');
    return new RedisServer({ address, version, children, child, client });
  }

  /** Empties it before a measurement; done when this resolves, so that nobody else's figures pay for it. */
  async flush(): Promise<void> {
    await this.#client.flushall('SYNC');
  }

  async read(): Promise<RedisReading> {
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
export function callsBetween(before: RedisReading, after: RedisReading): Map<string, number> {
  const calls = new Map<string, number>();
  for (const [command, total] of after.calls) {
    const count = total - (before.calls.get(command) ?? 0);
    if (count > 0 && !OWN_COMMANDS.has(command)) calls.set(command, count);
  }
  return calls;
}

async function connect(client: Redis, child: Child): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await client.connect();
      return;
    } catch (error) {
      const ended = child.process.exitCode !== null;
      if (ended || Date.now() > deadline) {
        throw new Error(`redis-server did not start: ${child.stderrTail()}`, { cause: error });
      }
      await sleep(20);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
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
