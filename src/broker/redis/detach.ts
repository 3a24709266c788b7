/**
 * Cuts a BullMQ Worker off for good from the connection that it blocks on. Closing the Worker does that too, unless BullMQ
 * is just reconnecting because a wait took too long. Such a new connection has no owner, and keeps the process alive if the
 * broker never answers.
 */
import type { IQueueBackend } from 'bullmq';
import type { RedisClient } from './url.js';

/** Private parts of BullMQ 6.7's Redis backend. BullMQ's version is pinned, so they do not change. */
interface RedisInternals {
  readonly blockingConnection?: { readonly _client?: RedisClient };
}

/** Ends the backend's blocking connection and prevents a reconnect. Idempotent. */
export function severRedisBackend(backend: IQueueBackend): void {
  const client = (backend as unknown as RedisInternals).blockingConnection?._client;
  if (client === undefined) return;
  // BullMQ calls this once the client has ended.
  client.connect = () => Promise.reject(new Error('Connection is closed.'));
  client.disconnect();
}
