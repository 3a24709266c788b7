/** The outcome of a delivery. Each kind is one atomic write of BullMQ's, except `abandon`, which writes nothing. */
export type Settlement =
  | { readonly kind: 'complete'; readonly value: unknown; readonly keep: boolean; readonly quiet: boolean }
  | { readonly kind: 'fail'; readonly message: string; readonly stack: string; readonly keep: boolean }
  /** Run again after a delay; counts as an attempt. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly message: string; readonly stack: string }
  /** Continue the attempt later, without counting as one. */
  | { readonly kind: 'wait'; readonly delayMs: number; readonly stack: string }
  /** Run again later, without counting as an attempt. */
  | { readonly kind: 'postpone'; readonly delayMs: number }
  /** Put back at the front of the queue for another worker, without counting as an attempt. */
  | { readonly kind: 'release' }
  /** Relocate to its lane, as if it had been sent there. */
  | { readonly kind: 'move'; readonly lane: string }
  /** Write nothing: the lock is lost, and with it the right to write. */
  | { readonly kind: 'abandon' };
