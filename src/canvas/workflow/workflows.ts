/**
 * The parts that make workflows, put together for one app.
 */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { Sender } from '../../calls/sender.js';
import type { UniqueCalls } from '../../calls/unique.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import type { IdSource } from '../../protocol/ids.js';
import type { Producer } from '../../queue/producer.js';
import type { Tracing } from '../../queue/tracing.js';
import type { ResultSource } from '../../results/result-source.js';
import { AddedMembers } from './added-members.js';
import { FlowDrop, noteIgnoredPart } from './jobs.js';
import { Launcher } from './launch.js';
import { PlanCache } from './plan-cache.js';
import { WorkflowProgress } from './progress.js';
import { readingParts } from './read-part.js';
import { WorkflowResults } from './results.js';
import { WorkflowTidy } from './tidy.js';
import { WorkflowValues } from './values.js';

export interface WorkflowsParams {
  /** The engine whose jobs are really there. */
  readonly stored: Engine;
  readonly clock: BrokerClock;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
  readonly publishRetryMs: number;
  readonly lockDurationMs: number;
}

/** What sending and reading need of the app's other parts. */
export interface WorkflowNeighbours {
  readonly producer: Producer;
  readonly ids: IdSource;
  readonly index: TaskIdIndex;
  readonly unique: UniqueCalls;
  readonly tracing: Tracing | undefined;
  readonly sender: () => Sender;
  readonly source: () => ResultSource;
}

export class Workflows {
  /** The engine as everybody else should see it: parts of workflows read as jobs. */
  readonly engine: Engine;
  readonly plans: PlanCache;
  readonly #values: WorkflowValues;

  constructor(private readonly params: WorkflowsParams) {
    const { stored, clock } = params;
    this.plans = new PlanCache(stored);
    this.#values = new WorkflowValues(stored, this.plans);
    this.engine = readingParts({ engine: stored, clock, plans: this.plans, values: this.#values });
  }

  connect({ producer, ids, index, unique, tracing, sender, source }: WorkflowNeighbours) {
    const { stored: engine, clock, resultExpiresMs, failureExpiresMs } = this.params;
    const { plans } = this;
    const values = this.#values;
    const drops = new FlowDrop(engine, plans, (jobIds) => source().forgetRunning(jobIds));
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
      clock,
      plans,
      progress,
      drops,
      index,
      failureExpiresMs,
      source,
    });
    const launcher = new Launcher({
      engine,
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
      sentWithinMs: sentWithinMs(this.params),
      source,
    });
    const spawning = { progress, added, launcher, plans, sender, now: () => clock.now() };
    const sentWithin = sentWithinMs(this.params);
    return {
      engine,
      clock,
      sentWithinMs: sentWithin,
      plans,
      values,
      progress,
      added,
      drops,
      results,
      launcher,
      spawning,
    };
  }
}

/** How long a part may take to be sent by whoever has to, ms: a caller tries again, and what a dead worker held runs elsewhere. */
function sentWithinMs(config: { readonly publishRetryMs: number; readonly lockDurationMs: number }): number {
  return config.publishRetryMs + 3 * config.lockDurationMs;
}
