/**
 * `app.queues`: what is in the queues of the app, and what may be done to a whole queue. Works on the broker alone, with
 * or without workers. A lane counts with its queue everywhere.
 */
import { keepAliveDuring } from '../broker/keep-alive.js';
import type { KnownQueue, QueueSizes } from '../broker/queue-admin.js';
import { pauseQueue, resumeQueue, withLanes } from '../coordination/pauses.js';
import { checkQueueName } from '../options/checks.js';
import { isLane, queueOfLane } from '../protocol/lanes.js';
import { type PurgeParams, purgeQueue } from '../results/purge.js';

/** A queue, and how many of its tasks are where. */
export interface QueueInfo {
  readonly name: string;
  /** Nothing is taken from it until it is resumed. */
  readonly paused: boolean;
  /** Tasks that could start now. */
  readonly waiting: number;
  /** Tasks that run. */
  readonly active: number;
  /** Tasks that wait for their time: a countdown, an eta, a retry. */
  readonly delayed: number;
  /** Steps of workflows that wait for others. */
  readonly waitingChildren: number;
  /** Records of tasks that failed or were revoked. */
  readonly failed: number;
  /** Records of tasks that succeeded. */
  readonly finished: number;
}

/** A queue without tasks and records that nobody has used for so long is not shown until it is used again, ms. */
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
   * Drops what waits in these queues, delayed tasks and retries included; what runs goes on (Celery: `purge`). Who waits
   * for one of them gets a TaskRevokedError at once. Default: all queues of the app.
   * @returns how many, by queue
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

  /** Lets nothing start from a queue, in the whole fleet and for workers that come later, until it is resumed. */
  async pause(queue: string): Promise<void> {
    checkQueueName(queue, 'app.queues.pause');
    await keepAliveDuring(this.params.engine, () => pauseQueue(this.params.engine, queue));
  }

  async resume(queue: string): Promise<void> {
    checkQueueName(queue, 'app.queues.resume');
    await keepAliveDuring(this.params.engine, () => resumeQueue(this.params.engine, queue));
  }

  /** Whether a queue was ever used. */
  async isKnown(queue: string): Promise<boolean> {
    return (await this.#names()).includes(queue);
  }

  async #names(): Promise<string[]> {
    const known = await this.params.engine.queues.known();
    return [...new Set(known.map(({ name }) => queueOfLane(name)))];
  }

  /** The sizes of the broker's queues, added up by the names people know. */
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
    // A queue's own flag says it of its lanes.
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
