/**
 * How long a login to PostgreSQL may be silent. It takes several answers of the server, which on a busy machine come slowly:
 * each of them shows that somebody is there, and gives it the time anew. pg's own limit is for the whole of it, and by the
 * clock of a loop that may not have listened.
 */
import { listenFor } from '../listening.js';
import type { PgClient } from './driver.js';

interface Stream {
  readonly bytesRead?: number;
  destroy(error: Error): void;
}

/** What pg's client has beside its documented side; `pg-native` has no `connection`. */
type Innards = PgClient & {
  readonly connection?: { stream?: Stream; _ending?: boolean };
  once?(event: 'connect' | 'end', listener: () => void): unknown;
};

/** Ends the login of a client that is about to connect when the server says nothing for `ms`. */
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
      // Encrypted, it goes on over another stream.
      const stream = innards.connection?.stream;
      if (stream !== from || (stream?.bytesRead ?? 0) > bytes) heard();
      from = stream;
      bytes = stream?.bytesRead ?? 0;
    },
  );
  for (const event of ['connect', 'end'] as const) innards.once?.(event, cancel);
  return client;
}
