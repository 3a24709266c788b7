/**
 * Pausing a queue for the whole fleet. BullMQ keeps the flag with the queue and looks at it within its fetch; a record of
 * ours says it of a queue's lanes too, so that one which is made later is paused as well.
 */
import type { Engine } from '../broker/broker.js';
import { isLane, queueOfLane } from '../protocol/lanes.js';

/** Nothing is fetched from the queue any more, by anybody; what runs goes on. */
export async function pauseQueue(engine: Engine, queue: string): Promise<void> {
  // The record first: a lane that is made from now on finds it, one that was made before is in the list.
  await engine.records.create(keyOf(queue), '');
  await setPaused(engine, queue, true);
}

export async function resumeQueue(engine: Engine, queue: string): Promise<void> {
  await engine.records.remove(keyOf(queue));
  await setPaused(engine, queue, false);
}

/** The broker's queues that people know by this name: the queue itself, and its lanes. */
export async function withLanes(engine: Engine, queue: string): Promise<string[]> {
  const known = await engine.queues.known();
  return [queue, ...known.map(({ name }) => name).filter((name) => isLane(name) && isOf(name, queue))];
}

/** Writes down that queues and lanes are being taken from; a lane is paused if its queue is. */
export async function openQueue(engine: Engine, name: string): Promise<void> {
  await engine.queues.note([name]);
  if (!isLane(name) || !(await isPaused(engine, queueOfLane(name)))) return;
  const backend = await engine.backend(name);
  await backend.pause(true);
  // Resumed meanwhile, by somebody who did not know of this lane.
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
