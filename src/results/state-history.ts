/**
 * The state history of a task, as far as reads show it: the states to report after each read, in order, none twice.
 * Much may happen between two reads; the last custom state before the end is reported all the same.
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
  /** The attempt at the last read: states of earlier attempts are past. */
  #attempt = 0;

  /** True once the task was seen. */
  get begun(): boolean {
    return this.#last !== '';
  }

  /** The states that are new in this read. */
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
