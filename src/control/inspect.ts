/** `app.inspect()`: queries running workers. Must change nothing. */
import { OptionError } from '../errors.js';
import { checkNames } from '../options/names.js';
import { tagsOf } from '../options/tags.js';
import type { Asking, AskOptions } from './caller.js';
import type { FoundTask, NodeStats, QueueReport, Replies, TaskReport } from './commands.js';

/** Which tasks to list. */
export interface TaskFilter {
  /** Only tasks with this tag. */
  readonly tag?: string;
}

export class Inspect {
  constructor(
    private readonly caller: Asking,
    private readonly options: AskOptions,
  ) {
    checkNames(options, ['destination', 'timeout'], 'inspect');
  }

  ping(): Promise<Replies<'pong'>> {
    return this.caller.ask('ping', {}, this.options);
  }

  /** The running tasks; with `tag`, those that have it. */
  async active(filter: TaskFilter = {}): Promise<Replies<TaskReport[]>> {
    const { tag } = filter;
    checkNames(filter, ['tag'], 'inspect.active');
    if (tag !== undefined) tagsOf([tag], 'inspect.active: tag');
    const replies = await this.caller.ask('active', {}, this.options);
    return tag === undefined ? replies : withTag(replies, tag);
  }

  /** The delayed tasks of each worker's own queues, waiting retries included, soonest first (capped). */
  scheduled(): Promise<Replies<TaskReport[]>> {
    return this.caller.ask('scheduled', {}, this.options);
  }

  /** Tasks fetched but not running yet: normally none, since a worker fetches only what it can run. */
  reserved(): Promise<Replies<TaskReport[]>> {
    return this.caller.ask('reserved', {}, this.options);
  }

  /** The ids of tasks that each worker ended as revoked, newest last (capped). */
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

  /** The settings of each worker and its app, secrets masked. Durations are milliseconds. */
  conf(): Promise<Replies<Record<string, unknown>>> {
    return this.caller.ask('conf', {}, this.options);
  }

  /** Versions, platform and settings of each worker as text, for a bug report. */
  report(): Promise<Replies<string>> {
    return this.caller.ask('report', {}, this.options);
  }

  /**
   * Where these tasks are, as each worker sees them: `active` or `reserved` there, `scheduled` or `waiting` in its
   * queues. Ids unknown to a worker are left out; the outcome of ended tasks is in their results.
   */
  async queryTask(...ids: string[]): Promise<Replies<Record<string, FoundTask>>> {
    for (const id of ids) {
      if (typeof id !== 'string' || id === '')
        throw new OptionError(`inspect.queryTask: ${String(id)} is not a task id.`);
    }
    return this.caller.ask('queryTask', { ids }, this.options);
  }
}

function withTag(replies: Replies<TaskReport[]>, tag: string): Replies<TaskReport[]> {
  const kept = Object.entries(replies).map(([node, reply]) => [
    node,
    Array.isArray(reply) ? reply.filter(({ tags }) => tags?.includes(tag) === true) : reply,
  ]);
  return Object.fromEntries(kept) as Replies<TaskReport[]>;
}

/** What the workers say of themselves and of the tasks that they run. */
export async function askFleet(inspect: Inspect) {
  const [stats, active] = await Promise.all([inspect.stats(), inspect.active()]);
  return { stats, active };
}
