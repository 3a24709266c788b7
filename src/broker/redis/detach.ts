/**
 * Takes the connection that a BullMQ Worker waits on away from it for good. Closing does that too, unless BullMQ is about
 * to connect it again at that moment because a wait took too long: what is connected then belongs to nobody, and with a
 * broker that answers nothing it keeps the process alive.
 */
import type { IQueueBackend } from 'bullmq';
import type { RedisClient } from './url.js';

/** Parts of BullMQ 6.7's Redis backend that are its own affair; the pinned version keeps them as they are. */
interface RedisInternals {
  readonly blockingConnection?: { readonly _client?: RedisClient };
}

/** Idempotent; a connection that has ended stays so. */
export function severRedisBackend(backend: IQueueBackend): void {
  const client = (backend as unknown as RedisInternals).blockingConnection?._client;
  if (client === undefined) return;
  // Asked by BullMQ once it hears that the client has ended.
  client.connect = () => Promise.reject(new Error('Connection is closed.'));
  client.disconnect();
}
