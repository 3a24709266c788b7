/**
 * A timeout that counts only the time in which this process could read answers. After a busy event loop, or a time without
 * CPU, answers lie unread behind overdue timers. The wait is counted in small steps, so such a pause counts as one step,
 * however long it was.
 */
import { type Cancel, every } from '../timers.js';

/** Steps per wait. */
const STEPS = 8;

/** A running wait. `heard` restarts it; `cancel` ends it. */
export interface Listening {
  readonly heard: () => void;
  readonly cancel: Cancel;
}

/** Calls `onSilence` once, after `ms` of listening without a call of `heard`. Does not keep the process alive. */
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
      // Timers run before network reads: read once more what has arrived.
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
