/**
 * `app.queues`: the contents of the app's queues, and operations on whole queues. Works on the broker alone, with or
 * without workers. A lane always counts as part of its queue.
 */
import { keepAliveDuring } from '../broker/keep-alive.js';
import type { KnownQueue, QueueSizes } from '../broker/queue-admin.js';
import { pauseQueue, resumeQueue, withLanes } from '../coordination/pauses.js';
import { checkQueueName } from '../options/checks.js';
import { isLane, queueOfLane } from '../protocol/lanes.js';
import { type PurgeParams, purgeQueue } from '../results/purge.js';

/** A queue, with the number of its tasks by state. */
export interface QueueInfo {
  readonly name: string;
  /** True while no task may start from it, until it is resumed. */
  readonly paused: boolean;
  /** Tasks that could start now. */
  readonly waiting: number;
  /** Tasks that run. */
  readonly active: number;
  /** Tasks that are not due yet: a countdown, an eta, a retry, a sleep or a wait. */
  readonly delayed: number;
  /** Workflow steps that wait for others. */
  readonly waitingChildren: number;
  /** Records of tasks that failed or were revoked. */
  readonly failed: number;
  /** Records of tasks that succeeded. */
  readonly finished: number;
}

/** How long an empty queue is still listed after its last use, ms. */
const HIDDEN_AFTER_MS = 24 * 3_600_000;

export class Queues {
  constructor(private readonly params: PurgeParams) {}

  /** The queues that are in use, by name: those with tasks or records, and those used within a day. Changes nothing. */
  async list(): Promise<QueueInfo[]> {
    const { engine } = this.params;
    const known = await engine.queues.known();
    const infos = await this.#read(known.map(({ name }) => name));
    const idle = this.#idle(known, infos);
    return infos.filter(({ name }) => !idle.has(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** One queue; all zeros for one that was never used. */
  async get(queue: string): Promise<QueueInfo> {
    checkQueueName(queue, 'app.queues.get');
    const [info] = await this.#read(await withLanes(this.params.engine, queue));
    return info ?? { name: queue, ...EMPTY };
  }

  /**
   * Drops the waiting tasks of these queues, delayed tasks and retries included; running tasks go on (Celery:
   * `purge`). Callers waiting for a dropped task get a TaskRevokedError at once. Default: all queues of the app.
   * @returns the number of dropped tasks, by queue
   */
  async purge(queues?: string | readonly string[]): Promise<Record<string, number>> {
    const names = typeof queues === 'string' ? [queues] : (queues ?? (await this.#names()));
    for (const name of names) checkQueueName(name, 'app.queues.purge');
    return keepAliveDuring(this.params.engine, async () => {
      await this.params.clock.sync();
      const dropped = new Map<string, number>();
      for (const name of new Set(names)) {
        let count = 0;
        for (const part of await withLanes(this.params.engine, name))
          count += await purgeQueue(this.params, part);
        dropped.set(name, count);
      }
      return Object.fromEntries(dropped);
    });
  }

  /** Pauses a queue in the whole fleet, also for workers that start later: no task of it starts until it is resumed. */
  async pause(queue: string): Promise<void> {
    checkQueueName(queue, 'app.queues.pause');
    await keepAliveDuring(this.params.engine, () => pauseQueue(this.params.engine, queue));
  }

  async resume(queue: string): Promise<void> {
    checkQueueName(queue, 'app.queues.resume');
    await keepAliveDuring(this.params.engine, () => resumeQueue(this.params.engine, queue));
  }

  /** True if a queue was ever used. */
  async isKnown(queue: string): Promise<boolean> {
    return (await this.#names()).includes(queue);
  }

  async #names(): Promise<string[]> {
    const known = await this.params.engine.queues.known();
    return [...new Set(known.map(({ name }) => queueOfLane(name)))];
  }

  /** The sizes of the broker's queues, summed by the names people know. */
  async #read(names: readonly string[]): Promise<QueueInfo[]> {
    const sizes = await this.params.engine.queues.sizes(names);
    const infos = new Map<string, QueueInfo>();
    names.forEach((part, i) => {
      const name = queueOfLane(part);
      infos.set(name, add(infos.get(name) ?? { name, ...EMPTY }, sizes[i] ?? EMPTY, isLane(part)));
    });
    return [...infos.values()];
  }

  #idle(known: readonly KnownQueue[], infos: readonly QueueInfo[]): Set<string> {
    const since = this.params.clock.now() - HIDDEN_AFTER_MS;
    const used = new Set(
      known.filter(({ notedAt }) => notedAt >= since).map(({ name }) => queueOfLane(name)),
    );
    const empty = infos.filter((info) => !info.paused && !used.has(info.name) && sumOf(info) === 0);
    return new Set(empty.map(({ name }) => name));
  }
}

const EMPTY: QueueSizes = {
  paused: false,
  waiting: 0,
  active: 0,
  delayed: 0,
  waitingChildren: 0,
  failed: 0,
  finished: 0,
};

function add(info: QueueInfo, size: QueueSizes, lane: boolean): QueueInfo {
  return {
    name: info.name,
    // A queue's own flag also covers its lanes.
    paused: lane ? info.paused : size.paused,
    waiting: info.waiting + size.waiting,
    active: info.active + size.active,
    delayed: info.delayed + size.delayed,
    waitingChildren: info.waitingChildren + size.waitingChildren,
    failed: info.failed + size.failed,
    finished: info.finished + size.finished,
  };
}

function sumOf({ waiting, active, delayed, waitingChildren, failed, finished }: QueueInfo): number {
  return waiting + active + delayed + waitingChildren + failed + finished;
}
