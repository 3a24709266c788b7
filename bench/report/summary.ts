/**
 * From samples to what is printed: the median of each metric, and ratios between subjects.
 * A ratio is taken within each round, where both ran next to each other, and only then the median.
 */
import { METRICS, type MetricName } from '../measure/metrics.js';
import type { Sample } from '../measure/rounds.js';
import { median } from '../measure/statistics.js';

export interface Ratio {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** The samples of one workload. */
export class WorkloadSummary {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[], workload: string) {
    this.#samples = samples.filter((sample) => sample.workload === workload);
  }

  median(subject: string, metric: MetricName): number | undefined {
    const values = [...this.#byRound(subject, metric).values()];
    return values.length === 0 ? undefined : median(values);
  }

  /** `undefined` when no round has both. */
  ratio(subject: string, toSubject: string, metric: MetricName): Ratio | undefined {
    const divisors = this.#byRound(toSubject, metric);
    const ratios: number[] = [];
    for (const [round, value] of this.#byRound(subject, metric)) {
      const divisor = divisors.get(round);
      if (divisor !== undefined && divisor !== 0) ratios.push(value / divisor);
    }
    if (ratios.length === 0) return undefined;
    return { median: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) };
  }

  #byRound(subject: string, metric: MetricName): Map<number, number> {
    const values = new Map<number, number>();
    for (const { subject: of, round, outcome } of this.#samples) {
      if (of !== subject || outcome.kind !== 'measured') continue;
      const value = outcome.measurement.figures[metric];
      if (value !== undefined) values.set(round, value);
    }
    return values;
  }
}

/** Whether a ratio meets its target: at most it, or at least it where more is better. */
export function meets(metric: MetricName, ratio: number, target: number): boolean {
  return METRICS[metric].better === 'lower' ? ratio <= target : ratio >= target;
}
