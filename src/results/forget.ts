/**
 * Forgetting: dropping a task's record. One that has not ended keeps it until then, so that who waits for it hears of its
 * end; the mark in its message, and a word to the worker that runs it, see to it that it goes then.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import { keepAliveDuring } from '../broker/keep-alive.js';
import { readMessage } from '../protocol/message.js';
import type { Delivery } from '../queue/delivery.js';
import { sleep } from '../timers.js';
import { amend, readOne, type TaskGround } from './revoke.js';

/** Tells running workers to forget these jobs at their end; resolves when they have answered. */
export type ForgetRunning = (jobIds: readonly string[]) => Promise<void>;

/** Drops a task's record now, or when it ends. */
export function forgetTask(ground: TaskGround, ref: JobRef, forgetRunning: ForgetRunning): Promise<void> {
  return keepAliveDuring(ground.engine, () => forget(ground, ref, forgetRunning));
}

async function forget(
  { engine, tasks }: TaskGround,
  ref: JobRef,
  forgetRunning: ForgetRunning,
): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const job = await readOne(tasks, ref);
    if (job === undefined) return;
    if (job.doneAt !== undefined) return drop(engine, { queue: job.queue, id: ref.id });
    const { forgotten, ignore } = readMessage(job.data);
    // It leaves no record as it is.
    if (ignore === true) return;
    if (forgotten !== true && !(await amend(engine, job, { forgotten: true }))) continue;
    const after = await readOne(tasks, ref);
    if (after === undefined) return;
    if (after.queue !== job.queue || after.doneAt !== undefined) continue;
    // Whoever has it in hand fetched it before it was marked.
    if (!after.running) return;
    await forgetRunning([ref.id]);
    const last = await readOne(tasks, ref);
    if (last?.doneAt !== undefined) await drop(engine, { queue: last.queue, id: ref.id });
    return;
  }
}

/** Each of them is somebody else's write that came first. */
const MOST_TRIES = 50;

async function drop(engine: Engine, { queue, id }: JobRef): Promise<void> {
  const backend = await engine.backend(queue);
  await backend.remove(id, false);
  engine.signals.notify(id);
}

/** Who waits has heard of the end by then, and looked. */
const LOOKED_MS = 500;

/** Has the record of a task that is in a worker's hands dropped once it has ended; if it goes on, at a later end. */
export function forgetAtEnd({ engine, tasks }: TaskGround, delivery: Delivery): void {
  const { ref } = delivery;
  delivery.afterwards(async () => {
    const ended = await readOne(tasks, ref);
    if (ended?.doneAt === undefined) return;
    await sleep(LOOKED_MS, { ref: false });
    await drop(engine, ref);
  });
}
