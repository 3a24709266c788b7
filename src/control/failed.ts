/**
 * `app.failed`: the tasks that failed and whose records are kept. Reads them page by page, newest first, and retries or
 * deletes them one by one, so that nothing here takes the broker long however many there are. Revoked tasks are filed
 * among the failed by the broker, and passed over here.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { keepAliveDuring } from '../broker/keep-alive.js';
import type { FailedPlace } from '../broker/queue-admin.js';
import type { UniqueCalls } from '../calls/unique.js';
import type { TaskIdIndex } from '../coordination/task-id-index.js';
import type { TaskLookup, TaskRecord } from '../coordination/task-record.js';
import { OptionError } from '../errors.js';
import { checkQueueName, checkTaskName } from '../options/checks.js';
import { checkNames } from '../options/names.js';
import { isGenerated, taskIdOfJob } from '../protocol/ids.js';
import { isLane, queueOfLane } from '../protocol/lanes.js';
import { readMessage } from '../protocol/message.js';
import type { Snapshot } from '../results/snapshot.js';
import { type DeriveContext, derive } from '../results/snapshot.js';
import { FAILURE } from '../states.js';
import { deleteFailed, retryFailed } from './retry-failed.js';

/** Which failed tasks are meant. */
export interface FailedFilter {
  /** Only of this queue. */
  queue?: string;
  /** Only of this name. */
  task?: string;
}

/** What `app.failed.list()` takes. */
export interface FailedListOptions extends FailedFilter {
  /** How many at most. Default: 50. */
  limit?: number;
  /** Only those that failed before this one: the id of the last of the page before. */
  after?: string;
}

/** What became of the tasks that were named. */
export interface FailedReply {
  /** The ids of those it was done to. */
  readonly done: readonly string[];
  /** Why it was not done, by id. */
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
   * A page of failed tasks, newest first.
   * @throws {OptionError} when the task of `after` is not among the failed any more
   */
  async list(options: FailedListOptions = {}): Promise<Snapshot[]> {
    const { limit = 50, after, ...filter } = options;
    checkNames(options, ['queue', 'task', 'limit', 'after'], 'app.failed.list');
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
   * Lets failed tasks run again under their ids, as if they had just been sent: no attempt counts any more. With a
   * filter: all that match, `{}` for all there are.
   */
  retry(which: string | readonly string[] | FailedFilter): Promise<FailedReply> {
    return this.#each(which, 'app.failed.retry', (job) => retryFailed(this.params, job));
  }

  /** Drops the records of failed tasks. With a filter: of all that match, `{}` for all there are. */
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
        checkNames(which, ['queue', 'task'], where);
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

  /** What matches, from a place on, newest first, some at a time. */
  async *#pages(
    { queue, task }: FailedFilter,
    from: FailedPlace | undefined,
    size: number,
  ): AsyncGenerator<TaskRecord[]> {
    if (queue !== undefined) checkQueueName(queue, 'app.failed: queue');
    if (task !== undefined) checkTaskName(task, 'app.failed: task');
    const { engine, tasks } = this.params;
    const known = (await engine.queues.known()).map(({ name }) => name);
    const queues = queue === undefined ? known : [queue, ...known.filter((name) => isLaneOf(name, queue))];
    for (let before = from; ; ) {
      const places = await engine.queues.failed(queues, before, size);
      const jobs = await tasks.read(places.map(({ queue: place, id }) => ({ queue: place, id })));
      const found = jobs.filter((job) => job !== undefined);
      yield found.filter((job) => this.#isFailure(job) && (task === undefined || job.name === task));
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

/** The id its caller knows it by. */
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

/** Arguments that nobody here can read, for want of the app's serializer, must not hide the rest of the list. */
function lenient({ decodeArgs }: Pick<DeriveContext, 'decodeArgs'>): DeriveContext['decodeArgs'] {
  return (encoded) => {
    try {
      return decodeArgs(encoded);
    } catch {
      // Shown without them.
      return [];
    }
  };
}
