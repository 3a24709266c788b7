/**
 * The step whose function runs, as code inside it finds it. Sleeps and waits are refused there, and chunks that are
 * emitted there are counted: the step does not run again, but its chunks keep their places in the stream.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface RunningStep {
  readonly name: string;
  /** How many chunks its function has emitted. */
  chunks: number;
}

const storage = new AsyncLocalStorage<RunningStep>();

/** The step around the running code; undefined outside of steps. */
export function runningStep(): RunningStep | undefined {
  return storage.getStore();
}

/** Runs `body` as the function of a step. */
export function runInStep<R>(step: RunningStep, body: () => R): R {
  return storage.run(step, body);
}
