/** A private Redis master with one replica and three Sentinels that watch over them, gone with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type RedisServer, startRedis } from './redis.js';
import { canConnect, endProcess, endWithUs, freePort, untilAnswering } from './servers.js';

export interface RedisSentinels {
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** Resolves when the replica has all that was written so far. */
  replicated(): Promise<void>;
  /** Orders the Sentinels to make the replica the master; the old one is left running. */
  failOver(): Promise<void>;
  /** Resolves when the Sentinels say that the replica is the master. */
  failedOver(): Promise<void>;
  close(): Promise<void>;
}

const SENTINELS = 3;
const NAME = 'main';

export async function startSentinels(): Promise<RedisSentinels> {
  // Redis would wait five seconds for more replicas before it serves the first.
  const master = await startRedis(['--repl-diskless-sync-delay', '0']);
  const replica = await startRedis(['--replicaof', '127.0.0.1', `${master.port}`]);
  await untilLinked(replica.port);
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-sentinel-'));
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, () => startSentinel(dir, master.port)),
  );
  await Promise.all(sentinels.map(({ port }) => untilComplete(port)));
  return {
    url: `sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${NAME}/0`,
    master,
    replica,
    replicated: () => asked(master.port, async (client) => void (await client.wait(1, 10_000))),
    failOver: () =>
      asked(
        sentinels[0]?.port ?? 0,
        async (client) => void (await client.call('SENTINEL', 'FAILOVER', NAME)),
      ),
    failedOver: async () =>
      void (await Promise.all(sentinels.map(({ port }) => untilMasterIs(port, replica.port)))),
    close: async () => {
      await Promise.all(sentinels.map(({ child }) => endProcess(child, 'SIGKILL')));
      await Promise.all([master.close(), replica.close(), rm(dir, { recursive: true, force: true })]);
    },
  };
}

async function startSentinel(
  dir: string,
  masterPort: number,
): Promise<{ child: ChildProcess; port: number }> {
  const port = await freePort();
  const file = join(dir, `${port}.conf`);
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${NAME} 1500`,
    `sentinel failover-timeout ${NAME} 5000`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const child = spawn('redis-sentinel', [file], { stdio: 'ignore' });
  child.unref();
  endWithUs(child, 'SIGKILL');
  await untilAnswering(child, () => canConnect(port));
  return { child, port };
}

/** Until the replica follows its master. */
function untilLinked(port: number): Promise<void> {
  return polled(port, async (client) => /master_link_status:up/.test(await client.info('replication')));
}

/** Until a Sentinel knows the replica and the other Sentinels. */
function untilComplete(port: number): Promise<void> {
  return polled(port, async (client) => {
    const fields = new Map(pairs((await client.call('SENTINEL', 'MASTER', NAME)) as string[]));
    return fields.get('num-slaves') === '1' && fields.get('num-other-sentinels') === `${SENTINELS - 1}`;
  });
}

function untilMasterIs(port: number, masterPort: number): Promise<void> {
  return polled(port, async (client) => {
    const address = (await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as string[];
    return address[1] === `${masterPort}`;
  });
}

function polled(port: number, check: (client: Redis) => Promise<boolean>): Promise<void> {
  return asked(port, async (client) => {
    while (!(await check(client))) await new Promise((resolve) => setTimeout(resolve, 50));
  });
}

async function asked(port: number, body: (client: Redis) => Promise<void>): Promise<void> {
  const client = new Redis({ host: '127.0.0.1', port });
  try {
    await body(client);
  } finally {
    client.disconnect();
  }
}

function pairs(flat: readonly string[] | Readonly<Record<string, string>>): [string, string][] {
  if (!Array.isArray(flat)) return Object.entries(flat as Record<string, string>);
  return flat.flatMap((key: string, i) =>
    i % 2 === 0 ? [[key, flat[i + 1] ?? ''] as [string, string]] : [],
  );
}
