/**
 * How results hang together: what workflows answer about their parts. Given to results from above, since what a workflow
 * is stands on a higher floor. `async-result` and `group-result` fill the two interfaces, so that each may name the other.
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
  /** What begins after this task. */
  children(ref: JobRef): Promise<(TaskResult | GroupedResult)[]>;
  /** The workflow around this task; a single task is a graph of one. */
  graph(ref: JobRef, id: string, name: string | undefined): Promise<ResultGraph>;
  /** Revokes what is more than a task of its own; `undefined` for that one. */
  revoke(ref: JobRef, options: RevokeOptions): Promise<RevokeReply | undefined>;
  /** Forgets a workflow, by its result; `false` for a task of its own. */
  forget(ref: JobRef): Promise<boolean>;
}
