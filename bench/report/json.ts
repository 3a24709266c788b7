/** The whole run as JSON: where, what, every sample. For keeping and comparing ratios, never absolute figures. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Sample } from '../measure/rounds.js';
import type { BenchOptions } from '../options.js';

export interface JsonReport {
  readonly broker: string;
  /** The version of Node that callers and workers ran on. */
  readonly node: string;
  readonly subjects: Readonly<Record<string, string>>;
  readonly options: BenchOptions;
  readonly samples: readonly Sample[];
}

export async function writeJson(file: string, report: JsonReport): Promise<void> {
  const environment = {
    node: report.node,
    platform: process.platform,
    cpus: availableParallelism(),
    broker: report.broker,
    subjects: report.subjects,
  };
  const content = { environment, options: report.options, samples: report.samples };
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
}
