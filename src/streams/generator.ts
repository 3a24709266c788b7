/**
 * Runs an async generator as the body of a task: what it yields goes out as chunks, what it returns is the result.
 */

import type { Generating } from '../tasks/generating.js';
import { sleep } from '../timers.js';

/** What the body runs against. */
export interface GeneratorHost {
  /** Sends a chunk; a promise while there is no room for the next. @throws for a chunk that cannot be sent */
  send(chunk: unknown): Promise<void> | undefined;
  /** The error to end with, once the soft time limit has passed. */
  softLimit(): Error | undefined;
  /** `ended`: the task is over, and so is its generator; `parked`: it waits, and its body never comes back. */
  readonly state: 'runs' | 'ended' | 'parked';
}

/**
 * Runs a generator to its end. A chunk that cannot be sent throws at its `yield`. After the soft time limit the generator
 * gets `return()`, so that its `finally` runs; what comes of that changes nothing. Once the task is over the generator is
 * asked for nothing more.
 * @returns what the generator returned
 */
export async function driveGenerator(generator: Generating, host: GeneratorHost): Promise<unknown> {
  let step = await generator.next();
  while (step.done !== true) {
    if (host.state !== 'runs') return left(host);
    const late = host.softLimit();
    if (late !== undefined) {
      await returned(generator);
      throw late;
    }
    let room: Promise<void> | undefined;
    try {
      room = host.send(step.value);
    } catch (error) {
      step = await generator.throw(error);
      continue;
    }
    if (room !== undefined) await room;
    if (host.state !== 'runs') return left(host);
    step = await generator.next();
  }
  return step.value;
}

/** A `finally` that takes longer is not waited for, ms: the task has its outcome. */
const RETURNS_MS = 1000;

async function returned(generator: Generating): Promise<void> {
  const over = new AbortController();
  const returning = generator.return(undefined).catch(() => undefined); // it ends with the limit's error either way
  await Promise.race([returning, sleep(RETURNS_MS, { signal: over.signal })]);
  over.abort();
}

function left({ state }: GeneratorHost): undefined | Promise<never> {
  return state === 'parked' ? new Promise<never>(() => undefined) : undefined;
}
