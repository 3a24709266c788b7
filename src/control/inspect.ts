/**
 * `app.inspect()`: asks running workers and changes nothing.
 */
import { checkNames } from '../options/names.js';
import type { AskOptions, Caller } from './caller.js';
import type { NodeStats, QueueReport, Replies, TaskReport } from './commands.js';

export class Inspect {
  constructor(
    private readonly caller: Caller,
    private readonly options: AskOptions,
  ) {
    checkNames(options, ['destination', 'timeout'], 'inspect');
  }

  ping(): Promise<Replies<'pong'>> {
    return this.caller.ask('ping', {}, this.options);
  }

  /** The tasks that run now. */
  active(): Promise<Replies<TaskReport[]>> {
    return this.caller.ask('active', {}, this.options);
  }

  /** The ids of tasks each worker ended as revoked, newest last (capped). */
  revoked(): Promise<Replies<string[]>> {
    return this.caller.ask('revoked', {}, this.options);
  }

  /** The names of the tasks each worker can run. */
  registered(): Promise<Replies<string[]>> {
    return this.caller.ask('registered', {}, this.options);
  }

  stats(): Promise<Replies<NodeStats>> {
    return this.caller.ask('stats', {}, this.options);
  }

  /** The queues each worker consumes. */
  activeQueues(): Promise<Replies<QueueReport[]>> {
    return this.caller.ask('activeQueues', {}, this.options);
  }
}
