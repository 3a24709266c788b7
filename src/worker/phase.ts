/** The phases of a worker's life. Each worker goes through them once. */
import { CeleriacError } from '../errors.js';

export type Phase = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

/** @throws {CeleriacError} when the worker was started before */
export function startsOnce(phase: Phase): void {
  if (phase === 'new') return;
  throw new CeleriacError(`This worker is ${phase}; a worker starts once. Make another with app.worker().`);
}
