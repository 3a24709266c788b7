/** A server of the benchmark's own that subjects meet at: what the measuring side asks of it, whichever it is. */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from './children.js';

export const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 10_000;

export interface BrokerAddress {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

export interface BrokerReading {
  readonly cpuMs: number;
  /** Calls by command since the server began, those made inside scripts included; absent where nobody counts them. */
  readonly calls?: ReadonlyMap<string, number>;
}

export interface Broker {
  /** Name and version. */
  readonly title: string;
  readonly address: BrokerAddress;
  /** Its share of a workload's jobs, as `Subject.scale`. */
  readonly scale: number;
  /** Empties it before a measurement; done when this resolves, so that nobody else's figures pay for it. */
  flush(): Promise<void>;
  read(): Promise<BrokerReading>;
  usedBytes(): Promise<number>;
  stop(): Promise<void>;
}

export function addressOf(url: string): BrokerAddress {
  const { hostname, port } = new URL(url);
  return { url, host: hostname, port: Number(port) };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Resolves with what `connect` gives once the server answers. @throws when it ended, or not within ten seconds */
export async function untilUp<T>(child: Child, connect: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      const ended = child.process.exitCode !== null;
      if (ended || Date.now() > deadline)
        throw new Error(`${child.process.spawnfile} did not start: ${child.stderrTail()}`, { cause: error });
      await sleep(20);
    }
  }
}
