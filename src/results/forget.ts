/**
 * Forgetting: dropping a task's record. While a task has not ended its record stays, so that waiting callers see its
 * end. A mark in its message, and a request to the worker that runs it, have the record dropped at the end.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import { keepAliveDuring } from '../broker/keep-alive.js';
import { readMessage } from '../protocol/message.js';
import type { Delivery } from '../queue/delivery.js';
import { sleep } from '../timers.js';
import { amend, readOne, type TaskGround } from './revoke.js';

/** Asks running workers to forget these jobs at their end; resolves when they have answered. */
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
    // The worker that runs it fetched it before the mark.
    if (!after.running) return;
    await forgetRunning([ref.id]);
    const last = await readOne(tasks, ref);
    if (last?.doneAt !== undefined) await drop(engine, { queue: last.queue, id: ref.id });
    return;
  }
}

/** Most tries; each failed one means that another write came first. */
const MOST_TRIES = 50;

async function drop(engine: Engine, { queue, id }: JobRef): Promise<void> {
  const backend = await engine.backend(queue);
  await Promise.all([backend.remove(id, false), engine.streams.remove([id])]);
  engine.signals.notify(id);
}

/** By then waiting callers have been notified of the end and have read it, ms. */
const LOOKED_MS = 500;

/** Has the record of a running task dropped at its end; if the task goes on, at a later end. */
export function forgetAtEnd({ engine, tasks }: TaskGround, delivery: Delivery): void {
  const { ref } = delivery;
  delivery.afterwards(async () => {
    const ended = await readOne(tasks, ref);
    if (ended?.doneAt === undefined) return;
    await sleep(LOOKED_MS, { ref: false });
    await drop(engine, ref);
  });
}
