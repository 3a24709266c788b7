/** Keeps the process alive while something short is done over an engine: a script that does nothing else must not end in it. */
import type { Engine } from './broker.js';

/** @returns what `body` gives, with the engine held until then */
export async function keepAliveDuring<R>(engine: Pick<Engine, 'hold'>, body: () => Promise<R>): Promise<R> {
  const release = engine.hold();
  try {
    return await body();
  } finally {
    release();
  }
}
