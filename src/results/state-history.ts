/**
 * The course of a task, as far as looks at it tell: which states to tell of after each, in order and none twice. Between
 * two looks much may have happened: what the task last said of itself before its end is told all the same.
 */
import type { TaskRecord } from '../coordination/task-record.js';
import { READY, type State } from '../states.js';
import { lastCustomState, type Snapshot } from './snapshot.js';

/** A state of a task. */
interface HistoryStep {
  readonly state: State;
  readonly meta: unknown;
}

export class StateHistory {
  #last = '';
  /** The attempt of the last look: what an earlier one said is past. */
  #attempt = 0;

  /** Whether the task was seen. */
  get begun(): boolean {
    return this.#last !== '';
  }

  /** The states that this look tells of and none before it did. */
  *steps(job: TaskRecord, { state, meta, retries }: Snapshot): Generator<HistoryStep, void, void> {
    const said = READY.has(state) ? lastCustomState(job) : undefined;
    if (said !== undefined && said.attempt >= this.#attempt) yield* this.#step(said.state, meta);
    this.#attempt = retries;
    yield* this.#step(state, meta);
  }

  *#step(state: State, meta: unknown): Generator<HistoryStep, void, void> {
    const step = { state, meta };
    const key = JSON.stringify(step);
    if (key === this.#last) return;
    this.#last = key;
    yield step;
  }
}
