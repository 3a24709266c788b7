import type { Message } from '../protocol/message.js';

/** What the next attempt of a task has other than the last one. Plain JSON. */
export interface RetryChange {
  /** Its encoded arguments, as JSON text. */
  readonly args?: string;
  readonly fields: Partial<Omit<Message, 'v' | 'args'>>;
  readonly priority?: number;
  /** The queue or lane it goes on in. */
  readonly place?: string;
}

/** Another attempt. */
export type Retry = Extract<Settlement, { kind: 'retry' }>;

/** The outcome of a delivery. Each kind is one atomic write of BullMQ's, except `abandon`, which writes nothing. */
export type Settlement =
  | { readonly kind: 'complete'; readonly value: unknown; readonly keep: boolean; readonly quiet: boolean }
  | { readonly kind: 'fail'; readonly message: string; readonly stack: string; readonly keep: boolean }
  /** Run again after a delay; counts as an attempt. */
  | {
      readonly kind: 'retry';
      readonly delayMs: number;
      readonly message: string;
      readonly stack: string;
      readonly change?: RetryChange;
    }
  /** Continue the attempt later, without counting as one. */
  | { readonly kind: 'wait'; readonly delayMs: number; readonly stack: string }
  /**
   * Run again later, without counting as an attempt. `yields`: by another worker, if there is one that can, so this one
   * comes late to what is due.
   */
  | { readonly kind: 'postpone'; readonly delayMs: number; readonly yields?: true }
  /** Put back at the front of the queue for another worker, without counting as an attempt. */
  | { readonly kind: 'release' }
  /** Relocate to its lane, as if it had been sent there. */
  | { readonly kind: 'move'; readonly lane: string }
  /** Write nothing: the lock is lost, and with it the right to write. */
  | { readonly kind: 'abandon' };
