/**
 * One measurement: one workload on one subject, in fresh processes on an emptied broker.
 * Warm-up first, readings of every process before and after, differences per job.
 */
import type { Broker, BrokerReading } from '../processes/broker.js';
import { callsBetween } from '../processes/redis.js';
import type { CallerProcess, Place, Reading, Subject, WorkerProcess } from '../subjects/subject.js';
import {
  type CallWorkload,
  type DrainWorkload,
  jobsFor,
  type Workload,
  warmUpFor,
} from '../workloads/workload.js';
import { Crew } from './crew.js';
import type { Figures } from './metrics.js';
import { measureSize, measureStart } from './start-and-size.js';
import { percentile } from './statistics.js';

export interface Measurement {
  readonly jobs: number;
  readonly figures: Figures;
  /** Redis' commands per job by name, those inside scripts included. */
  readonly brokerCommands: Readonly<Record<string, number>>;
}

export interface Stage {
  readonly broker: Broker;
  readonly place: Place;
  readonly quick: boolean;
  /** At most so many jobs a workload. */
  readonly atMost: number | undefined;
}

/** `undefined` when the subject has nothing comparable. @throws when something of it failed */
export async function measure(
  stage: Stage,
  subject: Subject,
  workload: Workload,
): Promise<Measurement | undefined> {
  await stage.broker.flush();
  const jobs = jobsFor(workload, { ...stage, scale: subject.scale * stage.broker.scale });
  const load: Load = { jobs, warmUp: warmUpFor(workload, jobs) };
  const crew = new Crew(subject, stage.place);
  try {
    switch (workload.kind) {
      case 'call':
        return await measureCalls(stage.broker, crew, workload, load);
      case 'drain':
        return await measureDrain(stage.broker, crew, workload, load);
      case 'size':
        return await measureSize(stage.broker, crew, workload, jobs);
      case 'start':
        return await measureStart(subject, stage.place, jobs);
    }
  } finally {
    await crew.stop();
  }
}

interface Load {
  readonly jobs: number;
  readonly warmUp: number;
}

async function measureCalls(
  broker: Broker,
  crew: Crew,
  workload: CallWorkload,
  { jobs, warmUp }: Load,
): Promise<Measurement | undefined> {
  const caller = await crew.caller();
  const bystanders: CallerProcess[] = [];
  while (bystanders.length + 1 < (workload.listeners ?? 1)) bystanders.push(await crew.caller());
  let worker: WorkerProcess | undefined;
  if (workload.workerConcurrency !== undefined) {
    worker = await crew.worker(workload.workerConcurrency, workload.pool === 'threads');
    if (worker === undefined) return undefined;
    await worker.begin();
  }
  const warmed = await caller.perform({ workload: workload.name, first: 0, count: warmUp });
  if (warmed === undefined) return undefined;

  let next = warmUp + jobs;
  for (const other of bystanders) {
    await other.perform({ workload: workload.name, first: next, count: warmUp });
    next += warmUp;
  }
  const othersBefore = await cpuTogether(bystanders);
  const workerBefore = await worker?.usage();
  const brokerBefore = await broker.read();
  const performed = await caller.perform({ workload: workload.name, first: warmUp, count: jobs });
  const brokerAfter = await broker.read();
  const workerAfter = await worker?.usage();
  const othersAfter = await cpuTogether(bystanders);
  if (performed === undefined) return undefined;
  return summarise(jobs, {
    wallMs: performed.after.atMs - performed.before.atMs,
    caller: performed,
    worker: span(workerBefore, workerAfter),
    broker: { before: brokerBefore, after: brokerAfter },
    latenciesMs: performed.latenciesMs,
    bystandersCpuMs: othersAfter - othersBefore,
  });
}

async function cpuTogether(processes: readonly CallerProcess[]): Promise<number> {
  const readings = await Promise.all(processes.map((process) => process.usage()));
  return readings.reduce((sum, { cpuMs = 0 }) => sum + cpuMs, 0);
}

async function measureDrain(
  broker: Broker,
  crew: Crew,
  workload: DrainWorkload,
  { jobs, warmUp }: Load,
): Promise<Measurement | undefined> {
  const worker = await crew.worker(workload.workerConcurrency);
  if (worker === undefined) return undefined;
  const caller = await crew.caller();
  await caller.fill(0, Math.max(warmUp + jobs, workload.backlog ?? 0));
  await caller.stop();

  const readAt = async (count: number) => ({
    worker: await worker.reached(count),
    broker: await broker.read(),
  });
  // Both marks are set before it begins: a fast worker would otherwise run past the second.
  const marks = Promise.all([readAt(warmUp), readAt(warmUp + jobs)]);
  const [[before, after]] = await Promise.all([marks, worker.begin()]);
  return summarise(jobs, {
    wallMs: after.worker.atMs - before.worker.atMs,
    caller: undefined,
    worker: span(before.worker, after.worker),
    broker: { before: before.broker, after: after.broker },
    latenciesMs: undefined,
    bystandersCpuMs: 0,
  });
}

interface Span<R> {
  readonly before: R;
  readonly after: R;
}

interface Observed {
  readonly wallMs: number;
  readonly caller: Span<Reading> | undefined;
  readonly worker: Span<Reading> | undefined;
  readonly broker: Span<BrokerReading>;
  readonly latenciesMs: readonly number[] | undefined;
  /** Of processes that only stood by. */
  readonly bystandersCpuMs: number;
}

function summarise(jobs: number, observed: Observed): Measurement {
  const perJobUs = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : (ms * 1_000) / jobs;
  const callerCpuUs = perJobUs(cpuOf(observed.caller));
  const workerCpuUs = perJobUs(cpuOf(observed.worker));
  const brokerCpuUs = perJobUs(observed.broker.after.cpuMs - observed.broker.before.cpuMs) ?? 0;
  const calls = callsBetween(observed.broker.before, observed.broker.after);
  const totalCalls = [...calls.values()].reduce((total, count) => total + count, 0);
  return {
    jobs,
    figures: present({
      jobsPerSecond: (jobs * 1_000) / observed.wallMs,
      callerCpuUs,
      workerCpuUs,
      brokerCpuUs,
      cpuUs: totalCpu(observed, {
        callerCpuUs,
        workerCpuUs,
        brokerCpuUs,
        others: perJobUs(observed.bystandersCpuMs) ?? 0,
      }),
      brokerCalls: calls.size === 0 ? undefined : totalCalls / jobs,
      p50Ms: observed.latenciesMs && percentile(observed.latenciesMs, 50),
      p99Ms: observed.latenciesMs && percentile(observed.latenciesMs, 99),
      callerPeakMb: megabytes(observed.caller?.after.peakRssBytes),
      workerPeakMb: megabytes(observed.worker?.after.peakRssBytes),
      workerGrowthMb: megabytes(growthOf(observed.worker)),
    }),
    brokerCommands: Object.fromEntries([...calls].map(([command, count]) => [command, count / jobs])),
  };
}

/** Nothing, rather than too little, when a process that took part could not be read. */
function totalCpu(
  observed: Observed,
  parts: {
    callerCpuUs: number | undefined;
    workerCpuUs: number | undefined;
    brokerCpuUs: number;
    others: number;
  },
): number | undefined {
  if (observed.caller !== undefined && parts.callerCpuUs === undefined) return undefined;
  if (observed.worker !== undefined && parts.workerCpuUs === undefined) return undefined;
  return (parts.callerCpuUs ?? 0) + (parts.workerCpuUs ?? 0) + parts.brokerCpuUs + parts.others;
}

function cpuOf(span: Span<Reading> | undefined): number | undefined {
  if (span?.before.cpuMs === undefined || span.after.cpuMs === undefined) return undefined;
  return span.after.cpuMs - span.before.cpuMs;
}

function span(before: Reading | undefined, after: Reading | undefined): Span<Reading> | undefined {
  return before === undefined || after === undefined ? undefined : { before, after };
}

function growthOf(span: Span<Reading> | undefined): number | undefined {
  if (span?.before.rssBytes === undefined || span.after.rssBytes === undefined) return undefined;
  return span.after.rssBytes - span.before.rssBytes;
}

function megabytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : bytes / 1_048_576;
}

function present(figures: { [Name in keyof Figures]: Figures[Name] | undefined }): Figures {
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
}
