/** What a result is made from: what the app passes to all results, and what is known about one. */

import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import type { Feed } from './feed.js';
import type { ForgetRunning } from './forget.js';
import type { FlowRelations, GroupedResult, TaskResult } from './relations.js';
import type { Terminate } from './revoke.js';
import type { TaskStepsSource } from './send-reply.js';
import type { DeriveContext } from './snapshot.js';
import type { TaskReader } from './task-reader.js';

/** What results need of their app. */
export interface ResultSource {
  readonly engine: Engine;
  readonly tasks: TaskReader;
  readonly feed: Feed;
  readonly clock: BrokerClock;
  readonly decoding: Omit<DeriveContext, 'now'>;
  /** Ends running tasks on any worker. */
  readonly endRunning: Terminate;
  readonly forgetRunning: ForgetRunning;
  /** Where the task's job is; undefined for an unknown id. */
  locate(taskId: string): Promise<JobRef | undefined>;
  /** Sends values to tasks, and reads their steps. */
  readonly steps: TaskStepsSource;
  /** What workflows know about their parts. */
  readonly flows: FlowRelations;
}

/** What the sender knows about a task without a request. */
export interface ResultHints {
  readonly ref?: JobRef;
  readonly name?: string;
  readonly ignoreResult?: boolean;
  /** True if it was sent just now and every change of its state publishes a notice: no expiry, a stored result. */
  readonly fresh?: boolean;
  /** A function, called on demand: all members of a group share the group's predecessor. */
  readonly parent?: () => TaskResult | GroupedResult | undefined;
}
