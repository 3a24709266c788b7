/**
 * `npm run bench`: celeriac beside raw BullMQ and Celery, on a server of its own.
 * The way through: options, subjects that can run here, rounds, tables. What to make of them is in README.md.
 */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { runRounds, type Sample } from './measure/rounds.js';
import { type BenchOptions, type BrokerKind, parseOptions, USAGE } from './options.js';
import type { Broker } from './processes/broker.js';
import { Children } from './processes/children.js';
import { PostgresServer } from './processes/postgres.js';
import { RedisServer } from './processes/redis.js';
import { renderChart } from './report/chart.js';
import { writeJson } from './report/json.js';
import { renderTables } from './report/table.js';
import { selectSubjects } from './subjects/registry.js';
import type { Subject } from './subjects/subject.js';
import { selectWorkloads } from './workloads/registry.js';
import type { Workload } from './workloads/workload.js';

process.exitCode = await main(process.argv.slice(2));

/** @returns the exit code: 1 when a measurement failed, 2 for a command line that makes no sense */
async function main(argv: readonly string[]): Promise<number> {
  let plan: Plan | 'help';
  try {
    plan = readPlan(argv);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (plan !== 'help') return bench(plan);
  console.log(USAGE);
  return 0;
}

interface Plan {
  readonly options: BenchOptions;
  readonly workloads: readonly Workload[];
  readonly subjects: readonly Subject[];
}

function readPlan(argv: readonly string[]): Plan | 'help' {
  const options = parseOptions(argv);
  if (options === 'help') return 'help';
  return { options, workloads: selectWorkloads(options.only), subjects: selectSubjects(options.subjects) };
}

async function bench({ options, workloads, subjects: selected }: Plan): Promise<number> {
  const versions = await findSubjects(selected, options.broker);
  const subjects = [...versions.keys()];
  const children = new Children();
  endChildrenWithUs(children);

  const broker = await startBroker(options.broker, children);
  try {
    const node = versionOf(options.node);
    console.error(`${broker.title}, Node ${node}, ${options.rounds} round(s)\n`);
    const stage = {
      broker,
      place: { broker: broker.address, children, node: options.node },
      quick: options.quick,
      atMost: options.jobs,
    };
    const samples = await runRounds({
      stage,
      rounds: options.rounds,
      subjects,
      workloads,
      onSample: logSample,
    });
    const failed = samples.filter((sample) => sample.outcome.kind === 'failed').length;
    console.log(`\n${renderTables({ subjects, workloads, samples })}\n`);
    if (options.quick) console.log('A quick run shows that everything works; its figures are noise.');
    if (failed > 0) console.log(`${failed} of ${samples.length} measurements failed and are left out.`);
    if (options.svgFile !== undefined)
      await writeFile(options.svgFile, renderChart({ subjects, workloads, samples }));
    if (options.jsonFile !== undefined) {
      const named = Object.fromEntries([...versions].map(([subject, version]) => [subject.name, version]));
      await writeJson(options.jsonFile, { broker: broker.title, node, subjects: named, options, samples });
    }
    return failed > 0 ? 1 : 0;
  } finally {
    await broker.stop();
    children.killAll();
  }
}

/** @throws when it is no Node */
function versionOf(node: string): string {
  return execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
}

function startBroker(kind: BrokerKind, children: Children): Promise<Broker> {
  return kind === 'postgres' ? PostgresServer.start(children) : RedisServer.start(children);
}

/** The subjects that can run here, with their versions; says why for those that cannot. */
async function findSubjects(selected: readonly Subject[], broker: BrokerKind): Promise<Map<Subject, string>> {
  const found = new Map<Subject, string>();
  for (const subject of selected) {
    const availability = await subject.available(broker);
    if ('missing' in availability) {
      console.error(`${subject.title}: left out, ${availability.missing}`);
    } else {
      console.error(`${subject.title} ${availability.version}`);
      found.set(subject, availability.version);
    }
  }
  return found;
}

function logSample({ round, workload, subject, outcome }: Sample): void {
  const what = `round ${round + 1}  ${workload.padEnd(13)} ${subject.padEnd(9)}`;
  switch (outcome.kind) {
    case 'measured':
      console.error(`${what} ${Math.round(outcome.measurement.figures.jobsPerSecond ?? 0)} jobs/s`);
      break;
    case 'not comparable':
      console.error(`${what} –`);
      break;
    case 'failed':
      console.error(`${what} FAILED: ${outcome.message}`);
      break;
  }
}

/** Nothing we started outlives us, however we end. */
function endChildrenWithUs(children: Children): void {
  process.once('exit', () => children.killAll());
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}
