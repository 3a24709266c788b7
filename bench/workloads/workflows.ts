/** Workflows: chords of a thousand members one after the other, and chains of ten steps all at once. */
import { argument } from './argument.js';
import type { CallWorkload } from './workload.js';

const MEMBERS = 1_000;
const STEPS = 10;

export const chordOfThousand: CallWorkload = {
  kind: 'call',
  name: 'chord-1000',
  title: 'chord of 1,000 (a job is a member)',
  workerConcurrency: 10,
  jobs: { full: 5_000, quick: 1_000, unit: MEMBERS },
  targets: { cpuUs: 1.0 },
  prepare: (caller) => {
    const { chord } = caller;
    if (chord === undefined) return undefined;
    return async (first, count) => {
      for (let start = first; start < first + count; start += MEMBERS) {
        const texts = Array.from({ length: MEMBERS }, (_, offset) => argument(start + offset));
        const lengths = texts.reduce((sum, text) => sum + text.length, 0);
        refuseOther(await chord(texts), lengths, 'chord');
      }
      return undefined;
    };
  },
};

export const chainsOfTen: CallWorkload = {
  kind: 'call',
  name: 'chain-10',
  title: 'chains of 10, all at once (a job is a step)',
  workerConcurrency: 10,
  jobs: { full: 2_000, quick: 500, unit: STEPS },
  targets: { cpuUs: 1.1 },
  prepare: (caller) => {
    const { chain } = caller;
    if (chain === undefined) return undefined;
    return async (_first, count) => {
      const values = await Promise.all(Array.from({ length: count / STEPS }, () => chain(STEPS)));
      for (const value of values) refuseOther(value, STEPS, 'chain');
      return undefined;
    };
  },
};

function refuseOther(value: unknown, expected: number, what: string): void {
  if (value !== expected) throw new Error(`the ${what} gave ${String(value)}, not ${expected}`);
}
