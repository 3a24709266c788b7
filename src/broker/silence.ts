/**
 * Tells a connection that died without a word (a cut cable, a frozen server, a firewall that forgot it) from one that
 * is idle: something was sent, and nothing has been heard since. Looks at the sockets' counters only, so that commands
 * pay nothing for it.
 */
import type { Socket } from 'node:net';

/** Longer than any answer takes; reads that block have connections and a watch of their own (BullMQ's). */
const SILENCE_MS = 15_000;
const LOOK_MS = 1000;

interface Seen {
  readonly read: number;
  /** What was written when something was last heard. */
  readonly written: number;
  readonly heardAt: number;
}

/**
 * Looks now and then until the returned function is called; holds no process open.
 * @param onSilent is told of each connection once
 */
export function watchForSilence(
  sockets: () => Iterable<Socket>,
  onSilent: (socket: Socket) => void,
): () => void {
  let seen = new Map<Socket, Seen>();
  let lookedAt = performance.now();
  const look = () => {
    const now = performance.now();
    // A loop that was busy for long has not read what may have come.
    const fresh = now - lookedAt > SILENCE_MS / 3;
    lookedAt = now;
    const before = seen;
    seen = new Map();
    for (const socket of sockets()) {
      const { bytesRead: read, bytesWritten: written } = socket;
      const last = before.get(socket);
      const heard = fresh || last === undefined || last.read !== read || last.written === written;
      const entry = heard ? { read, written, heardAt: now } : last;
      seen.set(socket, entry);
      if (now - entry.heardAt < SILENCE_MS) continue;
      seen.delete(socket);
      onSilent(socket);
    }
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return () => clearInterval(timer);
}
