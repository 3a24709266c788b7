/**
 * The command line of the benchmark, decoded once.
 * Everything inside works with `BenchOptions`; nothing else reads `process.argv`.
 */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** A smoke run of about a minute: proves that everything works, its figures prove nothing. */
  readonly quick: boolean;
  /** How often every workload runs on every subject. */
  readonly rounds: number;
  /** Names of workloads, or their beginnings (`drain` is all drains); empty means all. */
  readonly only: readonly string[];
  /** Names of subjects; empty means all. */
  readonly subjects: readonly string[];
  /** Where the whole run is written as JSON. */
  readonly jsonFile: string | undefined;
}

export const USAGE = `npm run bench -- [options]
  --quick          one short round, about a minute
  --rounds N       rounds (default 5, quick 1)
  --only NAMES     workloads by name or beginning, comma-separated (drain, call-one, ...)
  --subjects NAMES subjects by name, comma-separated (bullmq, celeriac, celery)
  --json FILE      also write everything measured to FILE
  --help`;

/** @returns the options, or `'help'` when asked for help. Throws on anything it does not know. */
export function parseOptions(argv: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      subjects: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    quick: values.quick,
    rounds: parseRounds(values.rounds) ?? (values.quick ? 1 : 5),
    only: splitNames(values.only),
    subjects: splitNames(values.subjects),
    jsonFile: values.json,
  };
}

function parseRounds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds takes a whole number from 1, not "${text}"`);
  return rounds;
}

function splitNames(given: readonly string[]): string[] {
  return given.flatMap((names) => names.split(',')).filter((name) => name !== '');
}
