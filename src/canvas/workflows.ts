/**
 * The parts that make workflows, put together for one app.
 */
import type { BrokerClock } from '../broker/clock.js';
import type { Engine } from '../broker/engine.js';
import type { IdIndex } from '../broker/id-index.js';
import type { IdSource } from '../broker/ids.js';
import type { Producer } from '../broker/producer.js';
import type { ResultSource } from '../results/async-result.js';
import { FlowProgress } from './flow-progress.js';
import { FlowResults } from './flow-results.js';
import { Launcher } from './launch.js';
import { followingFlows } from './parts.js';
import { Plans } from './plans.js';
import type { Sender } from './sender.js';

export interface WorkflowsParams {
  /** The engine whose jobs are really there. */
  readonly stored: Engine;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
}

/** What sending and reading need of the app's other parts. */
export interface WorkflowNeighbours {
  readonly clock: BrokerClock;
  readonly producer: Producer;
  readonly ids: IdSource;
  readonly index: IdIndex;
  readonly sender: () => Sender;
  readonly source: () => ResultSource;
}

export class Workflows {
  /** The engine as everybody else should see it: parts of workflows read as jobs. */
  readonly engine: Engine;
  readonly plans: Plans;

  constructor(private readonly params: WorkflowsParams) {
    const { stored } = params;
    this.plans = new Plans(stored);
    this.engine = followingFlows({ engine: stored, plans: this.plans });
  }

  connect({ clock, producer, ids, index, sender, source }: WorkflowNeighbours) {
    const { stored: engine, resultExpiresMs, failureExpiresMs } = this.params;
    const { plans } = this;
    const progress = new FlowProgress({
      engine,
      clock,
      producer,
      plans,
      resultExpiresMs,
      failureExpiresMs,
    });
    const results = new FlowResults({ engine, plans, progress, source });
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
      source,
    });
    const spawning = { progress, launcher, plans, sender, now: () => clock.now() };
    return { engine, plans, progress, results, launcher, spawning };
  }
}
