/** What becomes of a delivery; each kind is one atomic write of BullMQ's, `abandon` is none. */
export type Settlement =
  | { readonly kind: 'complete'; readonly value: unknown; readonly keep: boolean; readonly quiet: boolean }
  | { readonly kind: 'fail'; readonly message: string; readonly stack: string; readonly keep: boolean }
  /** Again after a delay; the attempt counts. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly message: string; readonly stack: string }
  /** Again later, without counting as an attempt. */
  | { readonly kind: 'postpone'; readonly delayMs: number }
  /** Back to the front of the queue for another worker, without counting as an attempt. */
  | { readonly kind: 'release' }
  /** To the lane where it belongs, as if it had been sent there. */
  | { readonly kind: 'move'; readonly lane: string }
  /** The lock is gone and with it the right to write. */
  | { readonly kind: 'abandon' };
