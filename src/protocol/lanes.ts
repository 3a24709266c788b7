/**
 * Lanes: the hidden queues where limited tasks wait by themselves, `<queue>~<task>`, so that they hold up nobody else.
 * Shown under their queue's name everywhere.
 */

/** The lane of a task in a queue. Queue names never contain '~'; task names may contain anything. */
export function laneOf(queue: string, task: string): string {
  return `${queue}~${encodeURIComponent(task.toWellFormed())}`;
}

/** The queue people know a lane by; any other queue's own name. */
export function queueOfLane(name: string): string {
  const end = name.indexOf('~');
  return end < 0 ? name : name.slice(0, end);
}

/** The task a lane belongs to; `undefined` for any other queue. */
export function taskOfLane(name: string): string | undefined {
  const end = name.indexOf('~');
  return end < 0 ? undefined : decodeURIComponent(name.slice(end + 1));
}

/** Whether a queue is a lane. */
export function isLane(name: string): boolean {
  return name.includes('~');
}
