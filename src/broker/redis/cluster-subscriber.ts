/**
 * The connection that listens on a Cluster: a plain client to the node that owns the slot of a key, asked for anew at each
 * connect, so that it follows failovers and moved slots. Sharded channels are told only there.
 */
import { createConnection, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, type Cluster, Redis } from 'ioredis';
import { DISCONNECT_MS } from './client.js';
import type { RedisConnection } from './connection.js';
import type { LinkOptions, RedisUrl } from './url.js';

/** @param calls the link of the Cluster's client, which knows the nodes; @param key any key of the prefix */
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
      // The slot went to another node, with or without our asking.
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
