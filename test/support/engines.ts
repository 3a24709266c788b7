/** The engines a test runs on. Each `open` starts what it needs and gives a broker URL. */
import { randomUUID } from 'node:crypto';
import { postgresBinaries, startPostgres } from './postgres.js';
import { startRedis } from './redis.js';
import { startCluster } from './redis-cluster.js';
import { startSentinels } from './redis-sentinel.js';

export interface TestBroker {
  readonly url: string;
  close(): Promise<void>;
}

export interface TestEngine {
  readonly name: 'redis' | 'sentinel' | 'cluster' | 'memory' | 'postgres';
  /** Why it cannot be used here, for the test's `skip`. */
  readonly skip: string | false;
  open(): Promise<TestBroker>;
}

export const engines: readonly TestEngine[] = [
  { name: 'redis', skip: false, open: () => startRedis() },
  { name: 'sentinel', skip: false, open: () => startSentinels() },
  { name: 'cluster', skip: false, open: () => startCluster() },
  {
    name: 'memory',
    skip: false,
    // One name a suite: its tests share a database, and differ in their prefix.
    open: async () => ({ url: `memory://${randomUUID()}`, close: async () => undefined }),
  },
  {
    name: 'postgres',
    skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
    open: () => startPostgres(),
  },
];
