/**
 * Timers for durations of any length. Node's own timers fire at once for more than 24.8 days, so no other file of this
 * package may pass them a duration from a user.
 */

/** Cancels a timer. Does nothing once the timer has fired. */
export type Cancel = () => void;

/** How a timer behaves. */
export interface TimerOptions {
  /** Whether the timer keeps the process alive. Default: true. */
  readonly ref?: boolean;
}

/** The longest duration of Node's timers, ms. */
const MOST_MS = 2 ** 31 - 1;

/**
 * Calls `fn` once, `ms` milliseconds from now.
 * @example const cancel = after(shutdownTimeoutMs, () => handBackAll());
 */
export function after(ms: number, fn: () => void, { ref = true }: TimerOptions = {}): Cancel {
  let restMs = ms;
  let timer: NodeJS.Timeout;
  const wait = () => {
    const stepMs = Math.min(restMs, MOST_MS);
    restMs -= stepMs;
    timer = setTimeout(restMs > 0 ? wait : fn, stepMs);
    if (!ref) timer.unref();
  };
  wait();
  return () => clearTimeout(timer);
}

/** Calls `fn` every `ms` milliseconds, at least every 24.8 days, until it is cancelled. */
export function every(ms: number, fn: () => void, { ref = true }: TimerOptions = {}): Cancel {
  const timer = setInterval(fn, Math.min(ms, MOST_MS));
  if (!ref) timer.unref();
  return () => clearInterval(timer);
}

/** Resolves `ms` milliseconds from now, or as soon as `signal` aborts. Never rejects. */
export function sleep(
  ms: number,
  { signal, ref = true }: TimerOptions & { readonly signal?: AbortSignal } = {},
): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = after(ms, end, { ref });
    signal?.addEventListener('abort', end);
  });
}
