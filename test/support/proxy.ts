/** A wire between a program and its broker that can be cut without a word: nothing arrives any more, nothing is closed. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Wire {
  readonly port: number;
  /** Existing connections go deaf in both directions; new ones work. @returns how many did */
  blackhole(): number;
  /** Nothing gets through any more, on new connections neither. What is sent meanwhile arrives once it is healed. */
  part(): void;
  heal(): void;
  close(): void;
}

/** To `port` on this machine. */
export async function startProxy(port: number): Promise<Wire> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let parted = false;
  const join = ([client, upstream]: readonly [Socket, Socket]) => client.pipe(upstream).pipe(client);
  const sever = ([client, upstream]: readonly [Socket, Socket]) => {
    client.unpipe(upstream).pause();
    upstream.unpipe(client).pause();
  };
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const pair = [client, upstream] as const;
    pairs.add(pair);
    if (!parted) join(pair);
    for (const socket of pair) {
      socket.on('error', () => undefined); // its end follows
      socket.on('close', () => {
        pairs.delete(pair);
        for (const end of pair) end.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return {
    port: address.port,
    blackhole: () => {
      for (const pair of pairs) sever(pair);
      return pairs.size;
    },
    part: () => {
      parted = true;
      for (const pair of pairs) sever(pair);
    },
    heal: () => {
      parted = false;
      for (const pair of pairs) join(pair);
    },
    close: () => {
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
  };
}
