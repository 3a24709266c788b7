/**
 * Detects half-open connections (a cut cable, a frozen server, a firewall that dropped the connection). A half-open
 * connection owes an answer and has received nothing for long; an idle one owes nothing. Checks once a second, so commands
 * pay nothing for it.
 */
import type { Socket } from 'node:net';

/** The state of a connection. */
export interface WatchedConnection {
  readonly socket: Socket;
  /** A command was sent and has no answer yet. */
  readonly owed: boolean;
}

/** Longer than any answer takes, ms. Blocking reads have connections and a check of their own (BullMQ's). */
const SILENCE_MS = 15_000;
const LOOK_MS = 1000;

interface ReplyProgress {
  readonly read: number;
  readonly heardAt: number;
}

/**
 * Checks until the returned function is called. Does not keep the process alive.
 * @param onSilent called once for each half-open connection
 */
export function detectHalfOpen(
  lines: () => Iterable<WatchedConnection>,
  onSilent: (socket: Socket) => void,
): () => void {
  let seen = new Map<Socket, ReplyProgress>();
  let lookedAt = performance.now();
  const look = () => {
    const now = performance.now();
    // After a long block of the event loop, received data may still be unread.
    const fresh = now - lookedAt > SILENCE_MS / 3;
    lookedAt = now;
    const before = seen;
    seen = new Map();
    for (const { socket, owed } of lines()) {
      const read = socket.bytesRead;
      const last = before.get(socket);
      const heard = fresh || !owed || last === undefined || last.read !== read;
      const heardAt = heard ? now : last.heardAt;
      if (now - heardAt >= SILENCE_MS) onSilent(socket);
      else seen.set(socket, { read, heardAt });
    }
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return () => clearInterval(timer);
}
