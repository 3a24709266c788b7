/**
 * `app.doctor()`: checks everything an app depends on, and reports what is wrong, what that means and what to do.
 * Must change nothing. The engine checks its server; this file checks clocks, distances, workers and queues.
 */
import { arch, release, type as systemType } from 'node:os';
import type { Engine } from '../broker/broker.js';
import { bullmqVersion } from '../broker/bullmq-version.js';
import { type CheckResult, ok, problem, warning } from '../broker/check-result.js';
import type { BrokerClock } from '../broker/clock.js';
import { measureOffset } from '../broker/clock.js';
import { isCeleriacError } from '../errors.js';
import { VERSION } from '../version.js';
import type { Asking } from './caller.js';
import type { NodeStats, Replies } from './commands.js';
import type { QueueInfo, Queues } from './queues.js';

/** The doctor's report. */
export interface Diagnosis {
  /** True without problems; there may be warnings. */
  readonly healthy: boolean;
  /** `false`: the broker could not be reached at all. */
  readonly reachable: boolean;
  /** The broker's address, without a password. */
  readonly broker: string;
  readonly versions: Versions;
  readonly findings: readonly CheckResult[];
}

/** Versions of what runs on the doctor's side and the broker's. */
export interface Versions {
  readonly celeriac: string;
  readonly bullmq: string;
  readonly node: string;
  /** Kind and version of the broker, as in `Redis 7.2.4`; absent if unknown. */
  readonly broker?: string;
  /** The operating system, as in `Linux 6.1.0 x64`. */
  readonly os: string;
}

export interface DoctorParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly caller: Asking;
  readonly queues: Queues;
  readonly lockDurationMs: number;
  /** Checks itself; never rejects. */
  readonly outbox: { examine(): Promise<CheckResult[]> };
}

/** Never rejects for faults of the broker: reporting them is its purpose. */
export async function examine(params: DoctorParams): Promise<Diagnosis> {
  const { engine } = params;
  const release = engine.hold();
  const findings: CheckResult[] = [];
  let reachable = true;
  try {
    findings.push(...(await engine.examineAddresses()));
    findings.push(...(await engine.examine()));
    // Without the schema every other check would fail in the same way.
    if (findings.every(({ severity, check }) => severity !== 'problem' || check !== 'schema'))
      findings.push(...(await around(params)));
  } catch (error) {
    reachable = !engine.isUnavailable(error) && !isCeleriacError(error, 'BROKER_UNAVAILABLE');
    findings.push(asFinding(error, reachable));
  } finally {
    release();
  }
  // Beside the broker: it takes calls while the broker is away.
  findings.push(...(await params.outbox.examine()));
  const healthy = findings.every(({ severity }) => severity !== 'problem');
  return { healthy, reachable, broker: engine.address, versions: await versionsOf(findings), findings };
}

async function versionsOf(findings: readonly CheckResult[]): Promise<Versions> {
  const broker = findings.find(({ check }) => check === 'version')?.found;
  return {
    celeriac: VERSION,
    bullmq: await bullmqVersion(),
    node: process.version.slice(1),
    ...(broker !== undefined && { broker }),
    os: `${systemType()} ${release()} ${arch()}`,
  };
}

function asFinding(error: unknown, reachable: boolean): CheckResult {
  const message = error instanceof Error ? error.message : String(error);
  if (isCeleriacError(error, 'BROKER_IN_USE')) return problem('access', message, 'Look from that process.');
  return reachable
    ? problem('access', message, 'Check user, password and rights in the broker URL.')
    : problem('connection', message, 'Start the broker, open the way to it, or correct CELERIAC_BROKER_URL.');
}

async function around(params: DoctorParams): Promise<CheckResult[]> {
  const roundTripMs = await measureRoundTrip(params.engine);
  const found = [distance(roundTripMs, params), await skew(params)];
  const stats = await params.caller.ask('stats', {});
  return [...found, ...workers(stats), ...(await queues(params.queues, stats))];
}

const ROUND_TRIPS = 5;

/** The median of a few round trips, ms. */
async function measureRoundTrip(engine: Engine): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < ROUND_TRIPS; n++) {
    const before = performance.now();
    await engine.serverTime();
    took.push(performance.now() - before);
  }
  return took.sort((a, b) => a - b)[Math.floor(ROUND_TRIPS / 2)] ?? 0;
}

/** A lock is renewed every fifth of its length, over a few round trips. */
function distance(roundTripMs: number, { lockDurationMs }: DoctorParams): CheckResult {
  const found = `${roundTripMs.toFixed(1)} ms to the broker and back, locks last ${lockDurationMs} ms`;
  if (roundTripMs < lockDurationMs / 40) return ok('latency', found);
  const advice =
    'Workers may lose the locks of running tasks, which then run twice. Raise lockDuration, or move them closer.';
  return roundTripMs < lockDurationMs / 10
    ? warning('latency', found, advice)
    : problem('latency', found, advice);
}

async function skew({ engine, lockDurationMs }: DoctorParams): Promise<CheckResult> {
  const { offsetMs, errorMs } = await measureOffset(engine);
  const offMs = Math.max(0, Math.abs(offsetMs) - errorMs);
  const found =
    offMs < 5
      ? "clock in sync with the broker's (under 5 ms)"
      : `this machine is ${Math.round(offMs)} ms off the broker's clock`;
  if (offMs <= lockDurationMs / 10) return ok('clock', found);
  const advice = 'Set the clock (NTP).';
  return offMs <= lockDurationMs / 2
    ? warning('clock', found, advice)
    : problem('clock', found, `Workers refuse to start here. ${advice}`);
}

function workers(replies: Replies<NodeStats>): CheckResult[] {
  const names = Object.keys(replies).sort();
  if (names.length === 0) {
    return [warning('workers', 'none answers', 'Start one: "celeriac -A <module> worker".')];
  }
  const silent = names.filter((name) => isSilent(replies[name]));
  const heard = names.filter((name) => !silent.includes(name));
  const found = ok('workers', `${heard.length} answered${heard.length > 0 ? `: ${heard.join(', ')}` : ''}`);
  const late = silent.map((name) =>
    warning('workers', `${name} does not answer`, 'It is gone, or its event loop is blocked: see its log.'),
  );
  const others = names.flatMap((name) => {
    const version = statsOf(replies[name])?.version ?? VERSION;
    return version === VERSION
      ? []
      : [warning('workers', `${name} runs version ${version}, this is ${VERSION}`, 'Run one version.')];
  });
  return [...(silent.length < names.length ? [found] : []), ...late, ...others];
}

async function queues(api: Queues, replies: Replies<NodeStats>): Promise<CheckResult[]> {
  const stats = Object.values(replies).flatMap((reply) => statsOf(reply) ?? []);
  const consumed = new Set(stats.flatMap((node) => node.queues.map(({ name }) => name)));
  const infos = await api.list();
  const odd = infos.flatMap((queue) => aboutQueue(queue, consumed));
  return odd.length > 0 ? odd : [ok('queues', inOrder(infos, consumed))];
}

/** A queue without consumers is fine while no task waits in it. */
function inOrder(infos: readonly QueueInfo[], consumed: ReadonlySet<string>): string {
  if (infos.length === 0) return 'none is in use so far';
  const left = infos.filter(({ name }) => !consumed.has(name)).map(({ name }) => `"${name}"`);
  if (left.length === 0) return `${infos.length} in use, each with somebody to take from it`;
  return `${infos.length} in use; nobody takes from ${left.join(', ')}, and nothing waits there`;
}

function aboutQueue({ name, waiting, paused }: QueueInfo, consumed: ReadonlySet<string>): CheckResult[] {
  if (waiting === 0) return [];
  if (paused)
    return [
      warning(
        'queues',
        `"${name}" is paused with ${waiting} waiting`,
        `Let it go on: "celeriac control resume ${name}".`,
      ),
    ];
  if (consumed.has(name)) return [];
  return [
    warning(
      'queues',
      `"${name}" has ${waiting} waiting, and no worker takes from it`,
      `Let one: "celeriac control add-consumer -Q ${name}", or start it with -Q ${name}.`,
    ),
  ];
}

function statsOf(reply: NodeStats | { error: string } | undefined): NodeStats | undefined {
  return reply === undefined || 'error' in reply ? undefined : reply;
}

function isSilent(reply: NodeStats | { error: string } | undefined): boolean {
  return reply === undefined || 'error' in reply;
}
