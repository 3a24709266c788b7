/**
 * The listening connection on a Cluster: a plain client to the node that owns a key's slot, since only that node delivers
 * sharded channels. Each connect looks the node up anew, so the client follows failovers and moved slots.
 */
import { createConnection, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, type Cluster, Redis } from 'ioredis';
import { DISCONNECT_MS } from './client.js';
import type { RedisConnection } from './connection.js';
import type { LinkOptions, RedisUrl } from './url.js';

/**
 * A target that connects to the owner of a key's slot.
 * @param calls the connection of the Cluster's client, which knows the nodes
 * @param key any key of the prefix
 */
export function shardOf(target: RedisUrl, calls: RedisConnection, key: string): RedisUrl {
  const node = target.nodeOptions?.() ?? {};
  class OwnerConnector extends AbstractConnector {
    constructor() {
      super(DISCONNECT_MS);
    }

    override async connect(): Promise<Socket> {
      this.connecting = true;
      const address = await ownerOf(calls, key);
      if (!this.connecting) throw new Error('Connection is closed.');
      const { tls } = node;
      const stream = tls === undefined ? createConnection(address) : connectTls({ ...address, ...tls });
      stream.once('error', (error) => {
        this.firstError = error;
      });
      this.stream = stream;
      return stream;
    }
  }
  return {
    ...target,
    connect: (options: LinkOptions) => {
      const client = new Redis({
        lazyConnect: true,
        ...node,
        ...options,
        Connector: OwnerConnector as never,
      });
      // The slot moved to another node: reconnect there.
      client.on('moved', () => client.disconnect(true));
      return client;
    },
  };
}

async function ownerOf(
  calls: RedisConnection,
  key: string,
): Promise<NetConnectOpts & { port: number; host: string }> {
  await calls.ready();
  const cluster = calls.client as Cluster;
  await new Promise<void>((resolve) => cluster.refreshSlotsCache(() => resolve()));
  const slot = Number(await cluster.cluster('KEYSLOT', key));
  const owner = cluster.slots[slot]?.[0];
  if (owner === undefined) throw new Error(`CLUSTERDOWN no node owns slot ${slot}`);
  const colon = owner.lastIndexOf(':');
  return { host: owner.slice(0, colon), port: Number(owner.slice(colon + 1)) };
}
