/**
 * Abort callbacks, any number per signal: one signal of a server may end ten thousand waits. One listener for each
 * wait would be slow to add, and Node warns of a leak from the eleventh on.
 */

/** Waiters by AbortSignal. A signal without waiters has no listener attached. */
const hearing = new WeakMap<AbortSignal, Hearing>();

interface Hearing {
  readonly listeners: Set<() => void>;
  readonly stop: () => void;
}

/**
 * Calls back once the signal aborts, unless the returned function was called before.
 * @param listener a function counts once, however often it is passed
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return NOTHING;
  const { listeners } = hearing.get(signal) ?? listen(signal);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && hearing.get(signal)?.listeners === listeners) leave(signal);
  };
}

const NOTHING = (): void => undefined;

function listen(signal: AbortSignal): Hearing {
  const listeners = new Set<() => void>();
  const stop = () => {
    hearing.delete(signal);
    for (const listener of listeners) listener();
  };
  signal.addEventListener('abort', stop, { once: true });
  const made = { listeners, stop };
  hearing.set(signal, made);
  return made;
}

function leave(signal: AbortSignal): void {
  const gone = hearing.get(signal);
  if (gone !== undefined) signal.removeEventListener('abort', gone.stop);
  hearing.delete(signal);
}
