/**
 * What a result is made from: what its app gives to all of them, and what is known of one.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import type { Feed } from './feed.js';
import type { ForgetRunning } from './forget.js';
import type { FlowRelations, GroupedResult, TaskResult } from './relations.js';
import type { Terminate } from './revoke.js';
import type { DeriveContext } from './snapshot.js';
import type { TaskReader } from './task-reader.js';

/** What results need of their app. */
export interface ResultSource {
  readonly engine: Engine;
  readonly tasks: TaskReader;
  readonly feed: Feed;
  readonly clock: BrokerClock;
  readonly decoding: Omit<DeriveContext, 'now'>;
  /** Ends running tasks, wherever they run. */
  readonly endRunning: Terminate;
  readonly forgetRunning: ForgetRunning;
  /** Where the task's job lies; undefined when no such id is known. */
  locate(taskId: string): Promise<JobRef | undefined>;
  /** What is known of workflows. */
  readonly flows: FlowRelations;
}

/** What the sender knows of a task without asking. */
export interface ResultHints {
  readonly ref?: JobRef;
  readonly name?: string;
  readonly ignoreResult?: boolean;
  /** It was sent just now, and every change of its state is told: no expiry, a result that is stored. */
  readonly fresh?: boolean;
  /** Made when it is asked for: what comes before a group comes before each of its members. */
  readonly parent?: () => TaskResult | GroupedResult | undefined;
}
