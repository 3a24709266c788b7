/**
 * Runs every workload on every subject, round after round, subjects next to each other in time and taking turns
 * at going first: what disturbs the machine for a while disturbs all of them.
 */
import type { Subject } from '../subjects/subject.js';
import type { Workload } from '../workloads/workload.js';
import { type Measurement, measure, type Stage } from './measure.js';

/** One cell of the run. */
export interface Sample {
  readonly round: number;
  readonly workload: string;
  readonly subject: string;
  readonly outcome: Outcome;
}

export type Outcome =
  | { readonly kind: 'measured'; readonly measurement: Measurement }
  | { readonly kind: 'not comparable' }
  | { readonly kind: 'failed'; readonly message: string };

export interface RunPlan {
  readonly stage: Stage;
  readonly rounds: number;
  readonly subjects: readonly Subject[];
  readonly workloads: readonly Workload[];
  readonly onSample: (sample: Sample) => void;
}

export async function runRounds(plan: RunPlan): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    for (const workload of plan.workloads) {
      for (const subject of rotate(plan.subjects, round)) {
        const outcome = await attempt(plan.stage, subject, workload);
        const sample = { round, workload: workload.name, subject: subject.name, outcome };
        samples.push(sample);
        plan.onSample(sample);
      }
    }
  }
  return samples;
}

async function attempt(stage: Stage, subject: Subject, workload: Workload): Promise<Outcome> {
  try {
    const measurement = await measure(stage, subject, workload);
    return measurement === undefined ? { kind: 'not comparable' } : { kind: 'measured', measurement };
  } catch (error) {
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
