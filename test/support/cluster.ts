/** The smallest Redis Cluster: one node that has all slots. It refuses what would span two of them, like a big one. */
import { Redis } from 'ioredis';
import type { TestBroker } from './engines.js';
import { startRedis } from './redis.js';

export async function startCluster(): Promise<TestBroker> {
  const server = await startRedis(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
  const client = new Redis(server.port);
  await client.call('CLUSTER', 'ADDSLOTS', ...Array.from({ length: 16_384 }, (_, slot) => slot));
  const isUp = async () => String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok');
  while (!(await isUp())) await new Promise((resolve) => setTimeout(resolve, 20));
  client.disconnect();
  return { url: `cluster://127.0.0.1:${server.port}`, close: () => server.close() };
}
