/**
 * Waits for an answer by how long this process has listened for it. A loop that was busy, or a process that got no CPU, has
 * not listened: what came meanwhile lies unread behind timers that are all overdue. Counted in small steps, such a pause is
 * one of them, however long it was.
 */
import { type Cancel, every } from '../timers.js';

/** Of these a wait consists. */
const STEPS = 8;

/** Something was heard: the wait begins again. */
export interface Listening {
  readonly heard: () => void;
  readonly cancel: Cancel;
}

/** Calls `onSilence` once, when nothing was heard for `ms` of listening. Keeps no process alive. */
export function listenFor(ms: number, onSilence: () => void, onStep?: () => void): Listening {
  let steps = 0;
  let over = false;
  const cancel = () => {
    over = true;
    stop();
  };
  const end = () => {
    onStep?.();
    if (over || steps < STEPS) return;
    cancel();
    onSilence();
  };
  const stop = every(
    Math.max(1, ms / STEPS),
    () => {
      onStep?.();
      // Timers come before the network: one more look at what has arrived.
      if (++steps >= STEPS) setImmediate(() => setImmediate(end));
    },
    { ref: false },
  );
  return {
    heard: () => {
      steps = 0;
    },
    cancel,
  };
}
