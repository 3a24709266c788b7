/** What is measured once rather than per job of a load: how long a start takes, and what tasks take in the broker. */
import type { Broker } from '../processes/broker.js';
import type { Place, StartUp, Subject } from '../subjects/subject.js';
import type { SizeWorkload } from '../workloads/workload.js';
import type { Crew } from './crew.js';
import type { Measurement } from './measure.js';
import { median } from './statistics.js';

/** Starts a worker's process so many times, one after the other. */
export async function measureStart(
  subject: Subject,
  place: Place,
  times: number,
): Promise<Measurement | undefined> {
  if (subject.startUp === undefined) return undefined;
  const starts: StartUp[] = [];
  while (starts.length < times) starts.push(await subject.startUp(place));
  const figures = {
    importMs: median(starts.map(({ importMs }) => importMs)),
    readyMs: median(starts.map(({ readyMs }) => readyMs)),
  };
  return { jobs: times, figures, brokerCommands: {} };
}

/** Memory of the broker before, with all tasks waiting, and with all of them done. */
export async function measureSize(
  broker: Broker,
  crew: Crew,
  workload: SizeWorkload,
  jobs: number,
): Promise<Measurement | undefined> {
  const worker = await crew.worker(workload.workerConcurrency);
  if (worker === undefined) return undefined;
  const caller = await crew.caller();
  // Scripts, schemas and the like come with the first.
  await caller.fill(0, 1);
  const empty = await broker.usedBytes();
  await caller.fill(1, jobs);
  const waiting = await broker.usedBytes();
  await Promise.all([worker.reached(jobs + 1), worker.begin()]);
  // The last ends are written after their tasks' bodies.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const finished = await broker.usedBytes();
  const figures = { waitingBytes: (waiting - empty) / jobs, finishedBytes: (finished - empty) / jobs };
  return { jobs, figures, brokerCommands: {} };
}
