/**
 * Options that the command line sets above the code of an app: `--broker` and `--prefix`. They hold for every app that
 * this process makes from then on; threads and processes of a worker receive them with their set-up.
 */
import { processWide } from './process-wide.js';

/** Options that beat those passed to `new Celeriac`. */
export interface AppOverrides {
  readonly broker?: string;
  readonly prefix?: string;
}

/** Sets the overrides of this process. Call it before the app's module is loaded. */
export function overrideApps(overrides: AppOverrides): void {
  held().overrides = overrides;
}

/** The overrides of this process; empty unless a command line set some. */
export function appOverrides(): AppOverrides {
  return held().overrides;
}

// Shared by all copies of this package: the command may be another one than the project's.
function held(): { overrides: AppOverrides } {
  return processWide<{ overrides: AppOverrides }>('app-overrides', () => ({ overrides: {} }));
}
