/**
 * How results relate: what workflows know about their parts. Passed to results from above, because workflows are on a
 * higher floor. `async-result` and `group-result` fill in the two interfaces, so that each may name the other.
 */
import type { JobRef } from '../broker/broker.js';
import type { State } from '../states.js';
import type { RevokeOptions, RevokeReply } from './revoke.js';

/** An {@link AsyncResult}. */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging in async-result.ts
export interface TaskResult {}

/** A {@link GroupResult}. */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging in group-result.ts
export interface GroupedResult {}

/** A workflow as nodes and edges. */
export interface ResultGraph {
  readonly nodes: readonly {
    readonly id: string;
    readonly name: string | undefined;
    readonly state: State;
  }[];
  /** `to` begins when `from` has ended. */
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

/** A result as JSON. */
export interface RelatedJson {
  readonly id: string;
}

export interface FlowRelations {
  /** The tasks and groups that begin after this task, and those that it has called. */
  children(ref: JobRef, id: string): Promise<(TaskResult | GroupedResult)[]>;
  /** The workflow around this task; a single task is a graph of one. */
  graph(ref: JobRef, id: string, name: string | undefined): Promise<ResultGraph>;
  /** Revokes a task that is more than a plain task; `undefined` for a plain one. */
  revoke(ref: JobRef, options: RevokeOptions): Promise<RevokeReply | undefined>;
  /** Forgets a workflow, by its result; `false` for a plain task. */
  forget(ref: JobRef): Promise<boolean>;
}
