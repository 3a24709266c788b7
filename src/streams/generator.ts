/**
 * Runs an async generator as the body of a task: what it yields goes out as chunks, what it returns is the result.
 */

import type { Generating } from '../tasks/generating.js';

/** What the body runs against. */
export interface GeneratorHost {
  /** Sends a chunk; a promise while there is no room for the next. @throws for a chunk that cannot be sent */
  send(chunk: unknown): Promise<void> | undefined;
  /** The error to end with, once the soft time limit has passed. */
  softLimit(): Error | undefined;
}

/**
 * Runs a generator to its end. A chunk that cannot be sent throws at its `yield`. After the soft time limit the generator
 * gets `return()`, so that its `finally` runs.
 * @returns what the generator returned
 */
export async function driveGenerator(generator: Generating, host: GeneratorHost): Promise<unknown> {
  let step = await generator.next();
  while (step.done !== true) {
    const late = host.softLimit();
    if (late !== undefined) {
      await generator.return(undefined);
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
    step = await generator.next();
  }
  return step.value;
}
