/** A private redis-server on a port of its own, gone with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canConnect, endProcess, endWithUs, freePort, untilAnswering } from './servers.js';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** Freezes it: connections stay open and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Ends it; `start` brings it back on the same port, with its data when `args` made it persistent. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** Ends it for good and removes its files. */
  close(): Promise<void>;
}

/** @param args further redis-server arguments, e.g. `['--requirepass', 'secret']` */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-redis-'));
  const port = await freePort();
  let child = await spawnRedis(port, dir, args);
  return {
    port,
    url: `redis://127.0.0.1:${port}/0`,
    get pid() {
      return child.pid ?? 0;
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop: (signal = 'SIGTERM') => endProcess(child, signal),
    start: async () => {
      child = await spawnRedis(port, dir, args);
    },
    close: async () => {
      await endProcess(child, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function spawnRedis(port: number, dir: string, args: readonly string[]): Promise<ChildProcess> {
  const basics = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    dir,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const child = spawn('redis-server', [...basics, ...args], { stdio: 'ignore' });
  child.unref();
  endWithUs(child, 'SIGKILL');
  await untilAnswering(child, () => canConnect(port));
  return child;
}
