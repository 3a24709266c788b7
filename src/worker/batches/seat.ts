/** What a batch and its members have to do with each other, in types. */

/** What one member gets of its batch. */
export type Share = { readonly value: unknown } | { readonly error: unknown };

/** A member's place in its batch. `C` is the running call. */
export interface Seat<C> {
  /** The member has come as far as the task's code. Gives its own result, or rejects with its own error. */
  take(call: C, args: readonly unknown[]): Promise<unknown>;
  /** The member's signal was aborted. */
  aborted(reason: unknown): void;
  /**
   * The member has ended, by its result or otherwise. May be called twice.
   * @returns where the code runs elsewhere and no member is left: a promise of its end
   */
  leave(): Promise<void> | undefined;
}

/** A batch whose code runs elsewhere, in a thread. */
export interface Together {
  /** What each call gets: its outcome, or an error where the batch was lost. Never rejects. */
  readonly shares: Promise<readonly Share[]>;
  /** No call is left: ends the code, and resolves when it does not run any more. */
  abandon(): Promise<void>;
}
