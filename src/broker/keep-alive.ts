/** Keeps the process alive during a short operation on an engine, so that a script does not exit in the middle of it. */
import type { Engine } from './broker.js';

/** Runs `body` while holding the engine. @returns the result of `body` */
export async function keepAliveDuring<R>(engine: Pick<Engine, 'hold'>, body: () => Promise<R>): Promise<R> {
  const release = engine.hold();
  try {
    return await body();
  } finally {
    release();
  }
}
