/**
 * Many processes, one node: for each command of remote control, how the answers of the processes become the node's
 * answer. Which commands a later process must receive is decided in `lasting-commands`.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  CommandName,
  Commands,
  FoundTask,
  NodeStats,
  QueueReport,
  TaskReport,
} from '../../control/commands.js';
import { encodedList } from '../../tasks/serializer.js';

/** How a node of several processes answers one command. */
export interface Rule<C extends CommandName> {
  /** The node's answer, from at least one reply. */
  merge(replies: readonly Commands[C]['reply'][]): Commands[C]['reply'];
}

type Rules = { readonly [C in CommandName]: Rule<C> };

export const RULES: Rules = {
  ping: { merge: () => 'pong' },
  active: { merge: all },
  scheduled: { merge: eachOnce },
  reserved: { merge: eachOnce },
  registered: { merge: distinct },
  stats: { merge: sumStats },
  activeQueues: { merge: sumQueues },
  // All processes have the same set-up.
  conf: { merge: first },
  report: { merge: first },
  queryTask: { merge: nearest },
  poolGrow: { merge: saidOfEach },
  poolShrink: { merge: saidOfEach },
  autoscale: { merge: saidOfEach },
  addConsumer: { merge: saidOfEach },
  cancelConsumer: { merge: said },
  pause: { merge: said },
  resume: { merge: said },
  rateLimit: { merge: said },
  timeLimit: { merge: said },
  loglevel: { merge: said },
  revoke: { merge: said },
  forget: { merge: said },
  revoked: { merge: distinct },
  shutdown: { merge: said },
  own: { merge: sameOrAll },
};

/** The reply of all processes if they agree, else the list of their replies. */
function sameOrAll(replies: readonly unknown[]): unknown {
  const [one, ...more] = replies;
  return more.every((reply) => isDeepStrictEqual(reply, one)) ? one : encodedList(replies);
}

function first<T>([one]: readonly T[]): T {
  return one as T;
}

/** Lists each waiting task once: every process sees the same queues. */
function eachOnce(lists: readonly (readonly TaskReport[])[]): TaskReport[] {
  return [...new Map(lists.flat().map((task) => [task.id, task])).values()];
}

/** Prefers the process that runs a task: it knows more than those that see the task in a queue. */
function nearest(finds: readonly Readonly<Record<string, FoundTask>>[]): Record<string, FoundTask> {
  const entries = finds.flatMap(Object.entries<FoundTask>);
  const active = entries.filter(([, { state }]) => state === 'active');
  return Object.fromEntries([...entries, ...active]);
}

function all<T>(lists: readonly (readonly T[])[]): T[] {
  return lists.flat();
}

function distinct(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())];
}

/** Joins the distinct texts of the processes. */
function said(replies: readonly { readonly ok: string }[]): { ok: string } {
  return { ok: [...new Set(replies.map(({ ok }) => ok))].join('; ') };
}

/** The same for texts with a number, which counts for one process only. */
function saidOfEach(replies: readonly { readonly ok: string }[]): { ok: string } {
  const { ok } = said(replies);
  return { ok: replies.length === 1 ? ok : `in each of ${replies.length} processes: ${ok}` };
}

function sumQueues(lists: readonly (readonly QueueReport[])[]): QueueReport[] {
  const sums = new Map<string, number>();
  for (const { name, concurrency } of lists.flat()) sums.set(name, (sums.get(name) ?? 0) + concurrency);
  return [...sums].map(([name, concurrency]) => ({ name, concurrency }));
}

function sumStats(all: readonly NodeStats[]): NodeStats {
  const sum = (of: (stats: NodeStats) => number) => all.reduce((total, stats) => total + of(stats), 0);
  return {
    ...(all[0] as NodeStats),
    concurrency: sum(({ concurrency }) => concurrency),
    slots: {
      size: sum(({ slots }) => slots.size),
      used: sum(({ slots }) => slots.used),
      free: sum(({ slots }) => slots.free),
    },
    running: sum(({ running }) => running),
    processed: sumCounts(all.map(({ processed }) => processed)),
    queues: sumQueues(all.map(({ queues }) => queues)),
    memory: sum(({ memory = 0 }) => memory),
    cpu: sum(({ cpu = 0 }) => cpu),
  };
}

/** Sums counts by name. */
export function sumCounts(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const [name, count] of counts.flatMap(Object.entries<number>))
    sums.set(name, (sums.get(name) ?? 0) + count);
  return Object.fromEntries(sums);
}
