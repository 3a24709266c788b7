/** Assembles the parts that make workflows, for one app. */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { InTransaction } from '../../calls/in-transaction.js';
import type { Sender } from '../../calls/sender.js';
import type { UniqueCalls } from '../../calls/unique.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import type { TaskLookup, WorkflowParts } from '../../coordination/task-record.js';
import type { IdSource } from '../../protocol/ids.js';
import type { Producer } from '../../queue/producer.js';
import type { Tracing } from '../../queue/tracing.js';
import type { ResultSource } from '../../results/result-source.js';
import { AddedMembers } from './added-members.js';
import { FlowDrop, noteIgnoredPart } from './jobs.js';
import { Launcher, type LaunchScope } from './launch.js';
import { PlanCache } from './plan-cache.js';
import { WorkflowProgress } from './progress.js';
import { RecordedParts } from './read-part.js';
import { type PlainSource, WorkflowResults } from './results.js';
import { WorkflowTidy } from './tidy.js';
import { WorkflowValues } from './values.js';

export interface WorkflowsParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
  readonly publishRetryMs: number;
  readonly lockDurationMs: number;
}

/** What workflows need from the app's other parts. */
export interface WorkflowNeighbours {
  readonly producer: Producer;
  readonly ids: IdSource;
  readonly index: TaskIdIndex;
  readonly unique: UniqueCalls;
  readonly tracing: Tracing | undefined;
  readonly inTransaction: InTransaction<LaunchScope>;
  /** Reads the jobs of parts, also in lanes. */
  readonly jobs: TaskLookup;
  /** What results are made from, without workflows. */
  readonly results: PlainSource;
  /** Called once, before `connect` returns. */
  sender(results: ResultSource): Sender;
}

export class Workflows {
  readonly plans: PlanCache;
  /** Reads parts from their records. */
  readonly parts: WorkflowParts;
  readonly #values: WorkflowValues;

  constructor(private readonly params: WorkflowsParams) {
    const { engine, clock } = params;
    this.plans = new PlanCache(engine);
    this.#values = new WorkflowValues(engine, this.plans);
    this.parts = new RecordedParts({ engine, clock, plans: this.plans, values: this.#values });
  }

  connect(neighbours: WorkflowNeighbours) {
    const { producer, ids, index, unique, tracing, inTransaction, jobs, results: source } = neighbours;
    const { engine, clock, resultExpiresMs, failureExpiresMs } = this.params;
    const { plans } = this;
    const values = this.#values;
    const drops = new FlowDrop(engine, jobs, plans, source.forgetRunning);
    const progress = new WorkflowProgress({
      engine,
      clock,
      producer,
      plans,
      values,
      drops,
      tidy: new WorkflowTidy({ engine, clock, plans, resultExpiresMs, failureExpiresMs }),
      index,
      resultExpiresMs,
      failureExpiresMs,
      noteIgnored: (flow, plan, part) => noteIgnoredPart(engine, flow, plan, part),
    });
    const added = new AddedMembers({
      engine,
      plans,
      index,
      begin: (flow, plan, begun) => progress.begin(flow, plan, begun),
    });
    const results = new WorkflowResults({
      engine,
      jobs,
      clock,
      plans,
      progress,
      drops,
      index,
      failureExpiresMs,
      source,
    });
    const sender = neighbours.sender(results.source);
    const sentWithin = sentWithinMs(this.params);
    const launcher = new Launcher({
      engine,
      jobs,
      clock,
      ids,
      index,
      producer,
      sender,
      plans,
      progress,
      results,
      unique,
      tracing,
      inTransaction,
      sentWithinMs: sentWithin,
    });
    const spawning = { progress, added, launcher, plans, sender, now: () => clock.now() };
    return {
      engine,
      jobs,
      clock,
      sentWithinMs: sentWithin,
      plans,
      values,
      progress,
      added,
      drops,
      results,
      sender,
      launcher,
      spawning,
    };
  }
}

/** How long the sending of a part may take, ms: a caller retries, and the tasks of a dead worker run elsewhere. */
function sentWithinMs(config: { readonly publishRetryMs: number; readonly lockDurationMs: number }): number {
  return config.publishRetryMs + 3 * config.lockDurationMs;
}
