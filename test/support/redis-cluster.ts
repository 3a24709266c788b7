/** A private Redis Cluster of three masters, each with a third of the slots, gone with the test. */
import { Redis } from 'ioredis';
import { type RedisServer, startRedis } from './redis.js';
import { freePort } from './servers.js';

export interface RedisCluster {
  readonly url: string;
  readonly nodes: readonly RedisServer[];
  close(): Promise<void>;
}

const MASTERS = 3;
const SLOTS = 16_384;

export async function startCluster(): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: MASTERS }, startNode));
  const clients = nodes.map(({ port }) => new Redis({ host: '127.0.0.1', port }));
  try {
    await Promise.all(clients.map((client, i) => client.cluster('ADDSLOTSRANGE', ...slotsOf(i))));
    for (const [i, client] of clients.entries()) await client.cluster('SET-CONFIG-EPOCH', i + 1);
    for (const { port, busPort } of nodes.slice(1))
      await clients[0]?.cluster('MEET', '127.0.0.1', port, busPort);
    await Promise.all(clients.map(untilComplete));
  } finally {
    for (const client of clients) client.disconnect();
  }
  return {
    url: `cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    close: async () => void (await Promise.all(nodes.map((node) => node.close()))),
  };
}

async function startNode(): Promise<RedisServer & { readonly busPort: number }> {
  const busPort = await freePort();
  const args = ['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`, '--cluster-node-timeout', '5000'];
  return Object.assign(await startRedis(args), { busPort });
}

function slotsOf(node: number): [number, number] {
  const end = (n: number) => Math.floor((SLOTS * n) / MASTERS);
  return [end(node), end(node + 1) - 1];
}

async function untilComplete(client: Redis): Promise<void> {
  for (;;) {
    const info = String(await client.cluster('INFO'));
    if (/cluster_state:ok/.test(info) && new RegExp(`cluster_known_nodes:${MASTERS}`).test(info)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
