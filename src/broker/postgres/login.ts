/**
 * Limits how long the server may be silent during a login. A login takes several answers, which come slowly on a busy
 * machine; each answer shows that the server is there and restarts the limit. pg's own limit covers the whole login, and
 * counts time in which the event loop could not read.
 */
import { listenFor } from '../listening.js';
import type { PgClient } from './driver.js';

interface Stream {
  readonly bytesRead?: number;
  destroy(error: Error): void;
}

/** Undocumented parts of pg's client; `pg-native` has no `connection`. */
type Innards = PgClient & {
  readonly connection?: { stream?: Stream; _ending?: boolean };
  once?(event: 'connect' | 'end', listener: () => void): unknown;
};

/** Ends the login of a client that is about to connect once the server is silent for `ms`. @returns the client */
export function limitLogin<C extends PgClient>(client: C, ms: number): C {
  const innards = client as Innards;
  let from = innards.connection?.stream;
  let bytes = 0;
  const { heard, cancel } = listenFor(
    ms,
    () => {
      const { connection } = innards;
      if (connection?.stream === undefined) {
        client.end().catch(() => undefined); // it was never there
        return;
      }
      connection._ending = true;
      connection.stream.destroy(new Error('timeout expired'));
    },
    () => {
      // An encrypted login continues over another stream.
      const stream = innards.connection?.stream;
      if (stream !== from || (stream?.bytesRead ?? 0) > bytes) heard();
      from = stream;
      bytes = stream?.bytesRead ?? 0;
    },
  );
  for (const event of ['connect', 'end'] as const) innards.once?.(event, cancel);
  return client;
}
