/**
 * The command line of the benchmark, decoded once.
 * Everything inside works with `BenchOptions`; nothing else reads `process.argv`.
 */
import { parseArgs } from 'node:util';

export type BrokerKind = 'redis' | 'postgres';

export interface BenchOptions {
  /** A smoke run of about a minute: proves that everything works, its figures prove nothing. */
  readonly quick: boolean;
  /** How often every workload runs on every subject. */
  readonly rounds: number;
  /** Names of workloads, or their beginnings (`drain` is all drains); empty means all. */
  readonly only: readonly string[];
  /** Names of subjects; empty means all. */
  readonly subjects: readonly string[];
  /** At most so many jobs a workload (more where it works in larger units). */
  readonly jobs: number | undefined;
  /** The Node that callers and workers run on. */
  readonly node: string;
  /** On which server. */
  readonly broker: BrokerKind;
  /** Where the chart is drawn. */
  readonly svgFile: string | undefined;
  /** Where the whole run is written as JSON. */
  readonly jsonFile: string | undefined;
}

export const USAGE = `npm run bench -- [options]
  --quick          one short round, about a minute
  --rounds N       rounds (default 5, quick 1)
  --only NAMES     workloads by name or beginning, comma-separated (drain, call-one, ...)
  --subjects NAMES subjects by name, comma-separated (bullmq, celeriac, celery)
  --broker NAME    redis (default) or postgres
  --node PATH      the Node to run callers and workers on (default: the one that runs this)
  --jobs N         at most so many jobs a workload: only shows that it works
  --svg FILE       also draw the ratios to raw BullMQ as a chart
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
      jobs: { type: 'string' },
      broker: { type: 'string', default: 'redis' },
      node: { type: 'string', default: process.execPath },
      svg: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    quick: values.quick,
    rounds: parseCount(values.rounds, 'rounds') ?? (values.quick ? 1 : 5),
    only: splitNames(values.only),
    subjects: splitNames(values.subjects),
    jobs: parseCount(values.jobs, 'jobs'),
    node: values.node,
    broker: brokerKind(values.broker),
    svgFile: values.svg,
    jsonFile: values.json,
  };
}

function parseCount(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`--${option} takes a whole number from 1, not "${text}"`);
  return count;
}

function brokerKind(name: string): BrokerKind {
  if (name === 'redis' || name === 'postgres') return name;
  throw new Error(`--broker takes redis or postgres, not "${name}"`);
}

function splitNames(given: readonly string[]): string[] {
  return given.flatMap((names) => names.split(',')).filter((name) => name !== '');
}
