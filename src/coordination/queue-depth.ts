/**
 * The depth of a queue, its lanes included: jobs by state, and the moment since which the next job has been due.
 */
import type { Engine } from '../broker/broker.js';
import { queueOfLane } from '../protocol/lanes.js';
import { readMessage } from '../protocol/message.js';

/** The depth of a queue and its lanes. */
export interface QueueState {
  readonly queue: string;
  readonly counts: Readonly<Record<'waiting' | 'running' | 'delayed', number>>;
  /** When the job that has been due longest became due, epoch ms by the broker's clock; `undefined` when none waits. */
  readonly oldestDueAt: number | undefined;
}

/** BullMQ's lists of jobs that could run now. */
const READY = ['wait', 'prioritized'] as const;

/** Reads the depth of queues, lanes counted with their queue. @param queues names of queues and lanes in the broker */
export async function readQueueStates(engine: Engine, queues: readonly string[]): Promise<QueueState[]> {
  const parts = await Promise.all(queues.map((queue) => readOne(engine, queue)));
  const names = new Set(queues.map(queueOfLane));
  return [...names].map((name) => {
    const of = parts.filter(({ queue }) => queueOfLane(queue) === name);
    const sum = (state: keyof QueueState['counts']) => of.reduce((n, { counts }) => n + counts[state], 0);
    const dueAts = of.flatMap(({ oldestDueAt }) => oldestDueAt ?? []);
    return {
      queue: name,
      counts: { waiting: sum('waiting'), running: sum('running'), delayed: sum('delayed') },
      oldestDueAt: dueAts.length === 0 ? undefined : Math.min(...dueAts),
    };
  });
}

async function readOne(engine: Engine, queue: string): Promise<QueueState> {
  const backend = await engine.backend(queue);
  const [counts, ...heads] = await Promise.all([
    backend.getCounts([...READY, 'active', 'delayed']),
    ...READY.map((state) => backend.getRanges([state], 0, 0, true)),
  ]);
  const [wait = 0, prioritized = 0, running = 0, delayed = 0] = counts;
  const ids = heads.flat(2);
  const jobs = await engine.readHeads(ids.map((id) => ({ queue, id: String(id) })));
  const dueAts = jobs.flatMap((job) => {
    if (job === undefined) return [];
    const { eta = 0 } = readMessage(job.data);
    // A job that was tried before has waited since that attempt.
    return Math.max(job.sentAt, eta, job.startedAt ?? 0);
  });
  return {
    queue,
    counts: { waiting: wait + prioritized, running, delayed },
    oldestDueAt: dueAts.length === 0 ? undefined : Math.min(...dueAts),
  };
}
