/** What is measured, once: names, units, which way is better. The table and the targets follow this list. */

export interface Metric {
  readonly label: string;
  readonly better: 'lower' | 'higher';
  readonly digits: number;
}

export const METRICS = {
  jobsPerSecond: { label: 'jobs/s', better: 'higher', digits: 0 },
  callerCpuUs: { label: 'caller CPU, µs/job', better: 'lower', digits: 0 },
  workerCpuUs: { label: 'worker CPU, µs/job', better: 'lower', digits: 0 },
  brokerCpuUs: { label: 'broker CPU, µs/job', better: 'lower', digits: 0 },
  cpuUs: { label: 'CPU in all, µs/job', better: 'lower', digits: 0 },
  brokerCalls: { label: 'broker commands/job', better: 'lower', digits: 2 },
  p50Ms: { label: 'latency p50, ms', better: 'lower', digits: 2 },
  p99Ms: { label: 'latency p99, ms', better: 'lower', digits: 2 },
  importMs: { label: 'import, ms', better: 'lower', digits: 0 },
  readyMs: { label: 'process start to ready, ms', better: 'lower', digits: 0 },
  waitingBytes: { label: 'broker bytes, waiting task', better: 'lower', digits: 0 },
  finishedBytes: { label: 'broker bytes, finished task', better: 'lower', digits: 0 },
  callerPeakMb: { label: 'caller peak, MB', better: 'lower', digits: 0 },
  workerPeakMb: { label: 'worker peak, MB', better: 'lower', digits: 0 },
  workerGrowthMb: { label: 'worker growth, MB', better: 'lower', digits: 1 },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;

/** One measurement; a metric is absent where it does not apply or the platform does not tell. */
export type Figures = Readonly<Partial<Record<MetricName, number>>>;

export function metricNames(): MetricName[] {
  return Object.keys(METRICS).filter((name): name is MetricName => name in METRICS);
}
