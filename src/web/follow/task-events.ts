/**
 * What a browser hears of one task: its states and chunks as they come, then its end.
 *
 *   state   a state of the task before its end; with another `attempt` than before, chunks begin anew
 *   chunk   every chunk of an attempt once, in order; while the task runs, after the state of that attempt
 *   end     after the last chunk and the last state
 *
 * The two are read side by side, and only as fast as the events are taken. If the task cannot be followed to its end (it
 * was forgotten, or began once more after its failure, or the app closes), the events stop without an end: the browser
 * asks again.
 */
import { isCeleriacError, TaskFailedError } from '../../errors.js';
import { type AsyncResult, progressOf, type Update } from '../../results/async-result.js';
import { EagerResult } from '../../results/eager-result.js';
import type { Progress } from '../../results/progress.js';
import { WakeUp } from '../../results/wake-up.js';
import { READY, STARTED } from '../../states.js';
import type { StreamOptions } from '../../streams/stream-options.js';
import { Source } from './source.js';

/** A chunk that a browser has had. */
export interface ChunkPlace {
  readonly attempt: number;
  readonly index: number;
}

export type TaskEvent =
  | { readonly type: 'state'; readonly state: string; readonly meta: unknown; readonly attempt: number }
  | { readonly type: 'chunk'; readonly attempt: number; readonly index: number; readonly value: unknown }
  | {
      readonly type: 'end';
      readonly state: string;
      readonly value?: unknown;
      readonly error?: { readonly name: string; readonly message: string };
    }
  /** Nothing has happened for a while. */
  | { readonly type: 'ping' };

export interface TaskEventsOptions {
  /** The last chunk that the browser has. */
  readonly after?: ChunkPlace | undefined;
  readonly signal: AbortSignal;
  readonly pingMs: number;
}

/** The state of a task that has ended and leaves no result (`ignoreResult`). */
export const IGNORED = 'IGNORED';

/**
 * @throws {UnknownTaskError} the task is not known, or not any more
 * @throws the signal's reason, and what the app throws when it is closed or cannot read what the task has stored
 */
export async function* taskEvents(
  result: AsyncResult,
  { after, signal, pingMs }: TaskEventsOptions,
): AsyncGenerator<TaskEvent, void, void> {
  const bell = new WakeUp();
  const wake = () => bell.wake();
  const chunksFrom = (options: StreamOptions) =>
    new Source(result.stream({ ...options, restarts: 'follow', signal }).entries(), wake);
  const states = new Source(statesOf(result, signal), wake);
  let chunks = chunksFrom(
    after === undefined ? { from: 'oldest' } : { from: after.index + 1, attempt: after.attempt },
  );
  /** The attempt that the browser knows of. */
  let known: number | undefined;
  /** The attempt of the last state, and that of the last chunk. */
  let attempt = 0;
  let given: number | undefined;
  try {
    for (;;) {
      const state = states.take();
      if (state !== undefined) {
        attempt = state.attempt;
        known = attempt;
        // The last one waits for the chunks.
        if (!READY.has(state.state)) yield { type: 'state', ...state };
        continue;
      }
      const chunk = known !== undefined || states.over ? chunks.take() : undefined;
      if (chunk !== undefined) {
        given = chunk.attempt;
        if (known !== undefined && given > known)
          yield { type: 'state', state: STARTED, meta: undefined, attempt: given };
        known = given;
        yield { type: 'chunk', attempt: given, index: chunk.index, value: chunk.chunk };
        continue;
      }
      // The next one is not kept any more: go on with what is.
      if (isCeleriacError(chunks.error, 'STREAM_TRUNCATED')) chunks = chunksFrom({ from: 'oldest' });
      refuse(states.error);
      refuse(chunks.error);
      if (states.over && chunks.over) break;
      const beganAt = performance.now();
      await bell.wait(pingMs, signal);
      if (performance.now() - beganAt >= pingMs) yield { type: 'ping' };
    }
  } finally {
    states.close();
    chunks.close();
  }
  yield* endOf(result, given ?? attempt);
}

function statesOf(result: AsyncResult, signal: AbortSignal): AsyncGenerator<Progress, void, void> {
  return result instanceof EagerResult
    ? firstAttempt(result.updates({ signal }))
    : progressOf(result, signal);
}

async function* firstAttempt(updates: AsyncIterable<Update>): AsyncGenerator<Progress, void, void> {
  for await (const update of updates) yield { ...update, attempt: 0 };
}

/** @throws `error`, unless it says how the task has ended */
function refuse(error: unknown): void {
  if (error !== undefined && !isTaskEnd(error)) throw error;
}

function isTaskEnd(error: unknown): boolean {
  return isCeleriacError(error, 'TASK_FAILED') || isCeleriacError(error, 'TASK_REVOKED');
}

async function* endOf(result: AsyncResult, attempt: number): AsyncGenerator<TaskEvent, void, void> {
  const { known, state, meta, value, error } = await result.snapshot();
  if (!known) {
    // It leaves no result; throws if it was forgotten.
    await result.get();
    return yield { type: 'end', state: IGNORED };
  }
  if (!READY.has(state)) return;
  yield { type: 'state', state, meta, attempt };
  yield { type: 'end', state, ...(error === undefined ? { value } : { error: described(error) }) };
}

/** Without stack: what the browser's user may see. */
function described(error: Error): { readonly name: string; readonly message: string } {
  if (!(error instanceof TaskFailedError)) return { name: error.name, message: error.message };
  const { errorName, cause, message } = error;
  return { name: errorName, message: cause instanceof Error ? cause.message : message };
}
