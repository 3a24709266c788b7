/** What sending a value to a task gives. */
import type { JobRef } from '../broker/broker.js';
import type { TaskRecord } from '../coordination/task-record.js';
import type { StepView } from '../protocol/steps.js';

/** What became of a value sent to a task. */
export interface SendReply {
  readonly accepted: boolean;
  /** Why it was not accepted. */
  readonly why?: string;
}

/** What results ask of the steps of tasks. */
export interface TaskStepsSource {
  /** Sends a value to a task. */
  send(ref: JobRef, name: string, value: unknown): Promise<SendReply>;
  /** The steps of a task, in the order in which they began. */
  view(task: TaskRecord): Promise<readonly StepView[]>;
}
