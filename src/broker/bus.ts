/**
 * The bus of an app: lists its processes and carries small messages between them. Wraps BullMQ's Relay in a small interface
 * of our own, since Relay is marked experimental. Delivery is at most once: never use the bus for what must not be lost.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Relay } from 'bullmq';
import { after } from '../timers.js';
import type { Engine } from './broker.js';

/** A process on the bus. */
export interface BusNode {
  readonly id: string;
  /** The name it was opened with. */
  readonly name: string;
  /** When it joined, epoch ms by the broker's clock. */
  readonly since: number;
}

export interface Bus {
  readonly nodeId: string;
  /** Resolves when this process is on the bus. */
  ready(): Promise<void>;
  /** Calls `listener` for each message on `topic` (words with dots). Resolves once subscribed. */
  subscribe(topic: string, listener: (data: unknown) => void): Promise<void>;
  publish(topic: string, data: unknown): Promise<void>;
  /** Calls `listener` with processes that this one has removed, since their leases had ended: each is removed once. */
  onRemoved(listener: (removed: readonly Pick<BusNode, 'id' | 'name'>[]) => void): void;
  /** The processes with a valid lease. A killed process stays listed until its lease ends. */
  nodes(): Promise<BusNode[]>;
  close(): Promise<void>;
}

const LEASE_MS = 10_000;
const GOODBYE_MS = 3_000;
/** The largest message, bytes. A reply with a thousand tasks takes some hundred kilobytes. */
export const LARGEST_MESSAGE = 4 * 1024 ** 2;

/** Most bytes of a name within an id: BullMQ takes ids of up to 64 letters and digits. */
const MOST_NAME = 38;

/** Joins the bus of an app. */
export function openBus(engine: Engine, prefix: string, name: string, onError: (error: Error) => void): Bus {
  const { connection, prefix: keyPrefix, relay, release } = engine.bullmq();
  const instance = new Relay({
    connection: connection as never,
    nodeId: idOf(name),
    // Namespaces allow few characters; prefixes allow nearly all.
    namespace: createHash('sha1').update(prefix).digest('hex'),
    name,
    leaseDuration: LEASE_MS,
    maxMessageSize: LARGEST_MESSAGE,
    ...(keyPrefix !== undefined && { prefix: keyPrefix }),
    ...(relay !== undefined && { backend: relay as never }),
  });
  instance.on('error', onError);
  return {
    nodeId: instance.nodeId,
    ready: () => instance.waitUntilReady(),
    subscribe: async (topic, listener) => {
      await instance.subscribe(topic, (message) => listener(message.data));
    },
    publish: async (topic, data) => {
      await instance.publish(topic, data);
    },
    onRemoved: (listener) => {
      instance.on('swept', (ids: readonly string[]) => listener(ids.map((id) => ({ id, name: nameIn(id) }))));
    },
    nodes: async () =>
      (await instance.getNodes()).map(({ id, info, registeredAt }) => ({
        id,
        name: info?.name ?? '',
        since: registeredAt,
      })),
    close: () => {
      // Closing waits for an unreachable broker; releasing the connection ends that wait.
      const cancel = after(GOODBYE_MS, () => release?.());
      return instance.close().finally(() => {
        cancel();
        release?.();
      });
    },
  };
}

/** An id that carries the name, as much of it as fits: of a process that was removed nothing but its id is known. */
export function idOf(name: string): string {
  const bytes = Buffer.from(name);
  const cut = bytes
    .subarray(0, MOST_NAME - MORE.length)
    .toString()
    .replace(/\uFFFD$/, '');
  const kept = bytes.length <= MOST_NAME ? bytes : Buffer.concat([Buffer.from(cut), MORE]);
  return `${randomBytes(6).toString('hex')}_${kept.toString('base64url')}`;
}

/** The name within an id of {@link idOf}; one that was cut ends with `…`. */
export function nameIn(id: string): string {
  return Buffer.from(id.slice(id.indexOf('_') + 1), 'base64url').toString();
}

const MORE = Buffer.from('…');
