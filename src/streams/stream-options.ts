/** The options of `result.stream()`, checked at the call. */
import { OptionError } from '../errors.js';
import { checkNames } from '../options/names.js';
import { show } from '../show.js';

/** Options of `result.stream()`. */
export interface StreamOptions {
  /**
   * The index of the first chunk to read: 0, the default, is the first one of the attempt. `'oldest'` begins with the
   * oldest chunk that is kept.
   */
  from?: number | 'oldest';
  /**
   * The attempt in which `from` counts, for a reader that goes on later. If another attempt runs by then, it is treated
   * like a reader in the middle: see `restarts`.
   */
  attempt?: number;
  /** Stop reading; the task goes on. The loop rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * What a reader in the middle gets when the task begins again: StreamRestartedError (`'error'`, the default), or the
   * chunks of the new attempt from their start (`'follow'`).
   */
  restarts?: 'error' | 'follow';
}

/** {@link StreamOptions}, read. */
export interface StreamSettings {
  readonly from: number | 'oldest';
  readonly attempt: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly follows: boolean;
}

/** @throws {OptionError} */
export function readStreamOptions(options: StreamOptions): StreamSettings {
  checkNames(options, ['from', 'attempt', 'signal', 'restarts'], 'stream()');
  const { from = 0, attempt, signal, restarts = 'error' } = options;
  if (from !== 'oldest' && (!Number.isSafeInteger(from) || from < 0))
    throw new OptionError(
      `stream(): from ${show(from)} must be the index of a chunk, a whole number of 0 or more, or 'oldest'.`,
    );
  if (attempt !== undefined && (!Number.isSafeInteger(attempt) || attempt < 0))
    throw new OptionError(`stream(): attempt ${show(attempt)} must be a whole number of 0 or more.`);
  if (restarts !== 'error' && restarts !== 'follow')
    throw new OptionError(`stream(): restarts ${show(restarts)} must be 'error' or 'follow'.`);
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new OptionError(`stream(): signal must be an AbortSignal; got ${show(signal)}.`);
  return { from, attempt, signal, follows: restarts === 'follow' };
}
