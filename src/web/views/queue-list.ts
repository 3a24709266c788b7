/** `GET queues`: the queues in use, their sizes, and who consumes them. */
import { isErrorReply } from '../../control/commands.js';
import type { QueueInfo } from '../../control/queues.js';
import type { QueueList, QueueTotals, QueueView } from '../api.js';
import type { Statistics } from '../watch/statistics.js';
import type { ApiCall } from '../web-context.js';
import type { FleetReplies } from './fleet-replies.js';

/** The handler. */
export async function listQueues({ context }: ApiCall): Promise<QueueList> {
  const [infos, replies] = await Promise.all([context.queues.get(), context.fleet.get()]);
  return { queues: queueViews(infos, replies, context.watch.statistics, context.parts.clock.now()) };
}

/** Pure. */
export function queueViews(
  infos: readonly QueueInfo[],
  { stats }: Pick<FleetReplies, 'stats'>,
  statistics: Statistics | undefined,
  now: number,
): QueueView[] {
  const nodes = new Map<string, string[]>();
  for (const [node, reply] of Object.entries(stats))
    if (!isErrorReply(reply))
      for (const { name } of reply.queues) nodes.set(name, [...(nodes.get(name) ?? []), node]);
  return infos.map((info) => {
    const figures = statistics?.queue(info.name, now);
    return {
      ...info,
      rate: figures?.rate ?? null,
      latency: figures?.latency ?? null,
      workers: (nodes.get(info.name) ?? []).sort(),
    };
  });
}

/** All queues together. */
export function totalsOf(infos: readonly QueueInfo[]): QueueTotals {
  const sum = (size: 'waiting' | 'active' | 'delayed' | 'waitingChildren' | 'failed' | 'finished') =>
    infos.reduce((n, info) => n + info[size], 0);
  return {
    count: infos.length,
    paused: infos.filter(({ paused }) => paused).length,
    waiting: sum('waiting'),
    active: sum('active'),
    delayed: sum('delayed'),
    waitingChildren: sum('waitingChildren'),
    failed: sum('failed'),
    finished: sum('finished'),
  };
}
