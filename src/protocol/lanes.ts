/**
 * Lanes: hidden queues, `<queue>~<task>`, in which limited tasks wait apart from other tasks, so that a limit never
 * delays the tasks of others. Reports show a lane under its queue's name.
 */

/** The lane of a task in a queue. Queue names never contain '~'; task names may contain anything. */
export function laneOf(queue: string, task: string): string {
  return `${queue}~${encodeURIComponent(task.toWellFormed())}`;
}

/** The queue that a lane belongs to; any other queue's own name. */
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
