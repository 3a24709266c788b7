/** A wait of several steps, under one signal that combines the caller's with the timeout. */
import { after } from '../timers.js';
import { onAbort } from './abort.js';
import type { WaitLimit } from './feed.js';

export async function withinLimit<T>(
  limit: WaitLimit | undefined,
  signal: AbortSignal | undefined,
  body: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (limit === undefined) return body(signal);
  signal?.throwIfAborted();
  const controller = new AbortController();
  const cancel = after(limit.ms, () => controller.abort(limit.error()));
  const leave = onAbort(signal, () => controller.abort(signal?.reason));
  try {
    return await body(controller.signal);
  } finally {
    cancel();
    leave();
  }
}
