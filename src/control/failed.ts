/**
 * `app.failed`: the failed tasks whose records are kept. It reads them page by page, newest first, and retries or
 * deletes them one by one, so that the broker is never blocked for long. Revoked tasks, which the broker stores among
 * the failed ones, are skipped.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { keepAliveDuring } from '../broker/keep-alive.js';
import type { FailedPlace } from '../broker/queue-admin.js';
import type { UniqueCalls } from '../calls/unique.js';
import type { TaskIdIndex } from '../coordination/task-id-index.js';
import type { TaskLookup, TaskRecord } from '../coordination/task-record.js';
import { OptionError } from '../errors.js';
import { boolean, checkQueueName, checkTaskName } from '../options/checks.js';
import { checkNames } from '../options/names.js';
import { tagsOf } from '../options/tags.js';
import { isGenerated, taskIdOfJob } from '../protocol/ids.js';
import { isLane, queueOfLane } from '../protocol/lanes.js';
import { readMessage } from '../protocol/message.js';
import type { Snapshot } from '../results/snapshot.js';
import { type DeriveContext, derive } from '../results/snapshot.js';
import { FAILURE } from '../states.js';
import { deleteFailed, retryFailed } from './retry-failed.js';

/** Filter for failed tasks. */
export interface FailedFilter {
  /** Only tasks of this queue. */
  queue?: string;
  /** Only tasks of this name. */
  task?: string;
  /** Only tasks with this tag. */
  tag?: string;
}

/** Options of `app.failed.list()`. */
export interface FailedListOptions extends FailedFilter {
  /** Most tasks returned. Default: 50. */
  limit?: number;
  /** Only tasks that failed before this one: the id of the last task of the previous page. */
  after?: string;
}

/** Options of `app.failed.retry()`. */
export interface FailedRetryOptions {
  /** Start over: run finished steps again. Default: false. */
  fresh?: boolean;
}

/** The outcome of a retry or delete. */
export interface FailedReply {
  /** The ids of the tasks retried or deleted. */
  readonly done: readonly string[];
  /** Reasons for refusing the others, by id. */
  readonly refused: Readonly<Record<string, string>>;
}

export interface FailedParams {
  readonly engine: Engine;
  readonly tasks: TaskLookup;
  readonly clock: BrokerClock;
  readonly index: TaskIdIndex;
  readonly unique: UniqueCalls;
  readonly decoding: Omit<DeriveContext, 'now'>;
}

/** Jobs read in one step. */
const PAGE = 100;

export class FailedTasks {
  constructor(private readonly params: FailedParams) {}

  /**
   * Returns a page of failed tasks, newest first.
   * @throws {OptionError} when the task of `after` is no longer among the failed ones
   */
  async list(options: FailedListOptions = {}): Promise<Snapshot[]> {
    const { limit = 50, after, ...filter } = options;
    checkNames(options, ['queue', 'task', 'tag', 'limit', 'after'], 'app.failed.list');
    if (!Number.isInteger(limit) || limit < 1)
      throw new OptionError(`app.failed.list: limit ${String(limit)} must be a whole number of 1 or more.`);
    return keepAliveDuring(this.params.engine, async () => {
      const from = after === undefined ? undefined : await this.#placeOf(after);
      const found: Snapshot[] = [];
      for await (const jobs of this.#pages(filter, from, Math.min(limit, PAGE))) {
        found.push(...jobs.map((job) => this.#snapshot(job)));
        if (found.length >= limit) break;
      }
      return found.slice(0, limit);
    });
  }

  /** One failed task; `undefined` when no failed task of this id is kept. */
  async get(taskId: string): Promise<Snapshot | undefined> {
    return keepAliveDuring(this.params.engine, async () => {
      const job = await this.#find(taskId);
      return job === undefined ? undefined : this.#snapshot(job);
    });
  }

  /**
   * Retries failed tasks under their ids as if they had just been sent: attempts count from zero. A filter selects
   * all that match, `{}` all there are. Finished steps are kept, so that they do not run again, unless `fresh`.
   */
  retry(
    which: string | readonly string[] | FailedFilter,
    options: FailedRetryOptions = {},
  ): Promise<FailedReply> {
    checkNames(options, ['fresh'], 'app.failed.retry');
    const fresh = boolean(options.fresh, false, 'app.failed.retry: fresh');
    return this.#each(which, 'app.failed.retry', (job) => retryFailed(this.params, job, fresh));
  }

  /** Drops the records of failed tasks. A filter selects all that match, `{}` all there are. */
  delete(which: string | readonly string[] | FailedFilter): Promise<FailedReply> {
    return this.#each(which, 'app.failed.delete', (job) => deleteFailed(this.params, job));
  }

  async #each(
    which: string | readonly string[] | FailedFilter,
    where: string,
    act: (job: TaskRecord) => Promise<string | undefined>,
  ): Promise<FailedReply> {
    const done: string[] = [];
    const refused = new Map<string, string>();
    const note = async (job: TaskRecord) => {
      const why = await act(job);
      if (why === undefined) done.push(taskIdOf(job));
      else refused.set(taskIdOf(job), why);
    };
    await keepAliveDuring(this.params.engine, async () => {
      await this.params.clock.sync();
      if (isFilter(which)) {
        checkNames(which, ['queue', 'task', 'tag'], where);
        for await (const jobs of this.#pages(which, undefined, PAGE)) await Promise.all(jobs.map(note));
        return;
      }
      for (const id of new Set(typeof which === 'string' ? [which] : which)) {
        if (typeof id !== 'string' || id === '')
          throw new OptionError(`${where}: ${String(id)} is not a task id.`);
        const job = await this.#find(id);
        if (job === undefined) refused.set(id, 'no failed task of this id is kept');
        else await note(job);
      }
    });
    return { done, refused: Object.fromEntries(refused) };
  }

  /** The matching tasks after a position, newest first, a page at a time. */
  async *#pages(
    { queue, task, tag }: FailedFilter,
    from: FailedPlace | undefined,
    size: number,
  ): AsyncGenerator<TaskRecord[]> {
    if (queue !== undefined) checkQueueName(queue, 'app.failed: queue');
    if (task !== undefined) checkTaskName(task, 'app.failed: task');
    if (tag !== undefined) tagsOf([tag], 'app.failed: tag');
    const matches = (job: TaskRecord) =>
      (task === undefined || job.name === task) &&
      (tag === undefined || readMessage(job.data).tags?.includes(tag) === true);
    const { engine, tasks } = this.params;
    const known = (await engine.queues.known()).map(({ name }) => name);
    const queues = queue === undefined ? known : [queue, ...known.filter((name) => isLaneOf(name, queue))];
    for (let before = from; ; ) {
      const places = await engine.queues.failed(queues, before, size);
      const jobs = await tasks.read(places.map(({ queue: place, id }) => ({ queue: place, id })));
      const found = jobs.filter((job) => job !== undefined);
      yield found.filter((job) => this.#isFailure(job) && matches(job));
      before = places.at(-1);
      if (places.length < size || before === undefined) return;
    }
  }

  async #find(taskId: string): Promise<TaskRecord | undefined> {
    const { tasks, index } = this.params;
    const ref: JobRef | undefined = await index.locate(taskId);
    const [job] = ref === undefined ? [] : await tasks.read([ref]);
    return job !== undefined && this.#isFailure(job) ? job : undefined;
  }

  async #placeOf(taskId: string): Promise<FailedPlace> {
    const job = await this.#find(taskId);
    if (job?.doneAt !== undefined) return { at: job.doneAt, queue: job.queue, id: job.id };
    throw new OptionError(
      `app.failed.list: after: no failed task "${taskId}" is kept any more, so it marks no place in the list.`,
    );
  }

  #isFailure(job: TaskRecord): boolean {
    return job.doneAt !== undefined && job.kind !== 'dropped' && this.#snapshot(job).state === FAILURE;
  }

  #snapshot(job: TaskRecord): Snapshot {
    const { decoding, clock } = this.params;
    return derive(taskIdOf(job), job, { ...decoding, decodeArgs: lenient(decoding), now: clock.now() });
  }
}

/** The id under which its caller knows it. */
function taskIdOf(job: TaskRecord): string {
  if (isGenerated(job.id)) return job.id;
  return readMessage(job.data).id ?? taskIdOfJob(job.id);
}

function isFilter(which: string | readonly string[] | FailedFilter): which is FailedFilter {
  return typeof which === 'object' && which !== null && !Array.isArray(which);
}

function isLaneOf(name: string, queue: string): boolean {
  return isLane(name) && queueOfLane(name) === queue;
}

/** Arguments that cannot be decoded here, for lack of the app's serializer, must not hide the rest of the list. */
function lenient({ decodeArgs }: Pick<DeriveContext, 'decodeArgs'>): DeriveContext['decodeArgs'] {
  return (encoded) => {
    try {
      return decodeArgs(encoded);
    } catch {
      // Shown without its arguments.
      return [];
    }
  };
}
