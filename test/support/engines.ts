/** The engines a test runs on. Each `open` starts what it needs and gives a broker URL. */
import { randomUUID } from 'node:crypto';
import { postgresBinaries, startPostgres } from './postgres.js';
import { startRedis } from './redis.js';

export interface TestBroker {
  readonly url: string;
  close(): Promise<void>;
}

export interface TestEngine {
  readonly name: 'redis' | 'memory' | 'postgres';
  /** Why it cannot be used here, for the test's `skip`. */
  readonly skip: string | false;
  open(): Promise<TestBroker>;
}

export const engines: readonly TestEngine[] = [
  { name: 'redis', skip: false, open: () => startRedis() },
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
