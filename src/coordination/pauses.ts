/**
 * Pauses a queue for the whole fleet. BullMQ keeps a flag with each queue and checks it when it fetches. A record of ours
 * marks the queue as paused too, so that lanes created later are paused as well.
 */
import type { Engine } from '../broker/broker.js';
import { isLane, queueOfLane } from '../protocol/lanes.js';

/** Stops all workers from fetching from the queue and its lanes. Running tasks continue. */
export async function pauseQueue(engine: Engine, queue: string): Promise<void> {
  // The record first: a lane created from now on finds it, and lanes created before are in the list of queues.
  await engine.records.create(keyOf(queue), '');
  await setPaused(engine, queue, true);
}

/** Lets workers fetch from the queue and its lanes again. */
export async function resumeQueue(engine: Engine, queue: string): Promise<void> {
  await engine.records.remove(keyOf(queue));
  await setPaused(engine, queue, false);
}

/** The names of the queue and of its lanes in the broker. */
export async function withLanes(engine: Engine, queue: string): Promise<string[]> {
  const known = await engine.queues.known();
  return [queue, ...known.map(({ name }) => name).filter((name) => isLane(name) && isOf(name, queue))];
}

/** Notes that a worker polls this queue or lane. Pauses a lane whose queue is paused. */
export async function openQueue(engine: Engine, name: string): Promise<void> {
  await engine.queues.note([name]);
  if (!isLane(name) || !(await isPaused(engine, queueOfLane(name)))) return;
  const backend = await engine.backend(name);
  await backend.pause(true);
  // The queue was resumed meanwhile, by a process that did not know of this lane.
  if (!(await isPaused(engine, queueOfLane(name)))) await backend.pause(false);
}

async function setPaused(engine: Engine, queue: string, paused: boolean): Promise<void> {
  for (const name of await withLanes(engine, queue)) await (await engine.backend(name)).pause(paused);
}

async function isPaused(engine: Engine, queue: string): Promise<boolean> {
  const [record] = await engine.records.read([keyOf(queue)]);
  return record !== undefined;
}

function isOf(lane: string, queue: string): boolean {
  return queueOfLane(lane) === queue;
}

function keyOf(queue: string): string {
  return `paused:${queue}`;
}
