/** What views are made from besides tasks: the answers of workers, and the tasks that this process declares. */
import type { NodeStats, Replies, TaskReport } from '../../control/commands.js';

/** What all workers say. */
export interface FleetReplies {
  readonly stats: Replies<NodeStats>;
  readonly active: Replies<TaskReport[]>;
  readonly conf: Replies<Record<string, unknown>>;
}

/** A task that this process declares. */
export interface DeclaredTask {
  readonly name: string;
  readonly queue: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  /** A JSON schema of its argument list. */
  readonly schema: Readonly<Record<string, unknown>> | null;
}
