/**
 * Where a worker is in its life, which it goes through once.
 */
import { CeleriacError } from '../errors.js';

export type Phase = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

/** @throws {CeleriacError} it has been started before */
export function startsOnce(phase: Phase): void {
  if (phase === 'new') return;
  throw new CeleriacError(`This worker is ${phase}; a worker starts once. Make another with app.worker().`);
}
