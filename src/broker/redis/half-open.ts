/**
 * Tells a connection that died without a word (a cut cable, a frozen server, a firewall that forgot it) from one that
 * is idle: an answer is owed, and nothing has been heard for long. Looks now and then only, so that commands pay nothing
 * for it.
 */
import type { Socket } from 'node:net';

/** A connection as it is now. */
export interface WatchedConnection {
  readonly socket: Socket;
  /** Something was sent that has had no answer yet. */
  readonly owed: boolean;
}

/** Longer than any answer takes; reads that block have connections and a watch of their own (BullMQ's). */
const SILENCE_MS = 15_000;
const LOOK_MS = 1000;

interface ReplyProgress {
  readonly read: number;
  readonly heardAt: number;
}

/**
 * Looks until the returned function is called; holds no process open.
 * @param onSilent is told of each connection once
 */
export function detectHalfOpen(
  lines: () => Iterable<WatchedConnection>,
  onSilent: (socket: Socket) => void,
): () => void {
  let seen = new Map<Socket, ReplyProgress>();
  let lookedAt = performance.now();
  const look = () => {
    const now = performance.now();
    // A loop that was busy for long has not read what may have come.
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
