/** Prints the run as one Markdown table per workload, its columns aligned for a terminal too. */
import { METRICS, type MetricName, metricNames } from '../measure/metrics.js';
import type { Sample } from '../measure/rounds.js';
import { BASELINE, MODEL, OURS } from '../subjects/registry.js';
import type { Subject } from '../subjects/subject.js';
import type { Workload } from '../workloads/workload.js';
import { meets, type Ratio, WorkloadSummary } from './summary.js';

export interface Report {
  readonly subjects: readonly Subject[];
  readonly workloads: readonly Workload[];
  readonly samples: readonly Sample[];
}

export function renderTables(report: Report): string {
  return report.workloads.map((workload) => renderWorkload(report, workload)).join('\n\n');
}

function renderWorkload({ subjects, samples }: Report, workload: Workload): string {
  const summary = new WorkloadSummary(samples, workload.name);
  const header = [
    workload.title,
    ...subjects.map((subject) => subject.title),
    'celeriac ÷ raw',
    'target',
    'Celery ÷ celeriac',
  ];
  const rows = metricNames()
    .filter((metric) => subjects.some((subject) => summary.median(subject.name, metric) !== undefined))
    .map((metric) => {
      const ratio = summary.ratio(OURS, BASELINE, metric);
      return [
        METRICS[metric].label,
        ...subjects.map((subject) => number(summary.median(subject.name, metric), METRICS[metric].digits)),
        ratioText(ratio),
        targetText(metric, workload.targets[metric], ratio),
        ratioText(summary.ratio(MODEL, OURS, metric)),
      ];
    });
  return markdown([header, ...rows]);
}

function ratioText(ratio: Ratio | undefined): string {
  if (ratio === undefined) return '–';
  const middle = ratio.median.toFixed(2);
  return ratio.lowest === ratio.highest
    ? middle
    : `${middle} (${ratio.lowest.toFixed(2)}–${ratio.highest.toFixed(2)})`;
}

function targetText(metric: MetricName, target: number | undefined, ratio: Ratio | undefined): string {
  if (target === undefined) return '';
  const bound = `${METRICS[metric].better === 'lower' ? '≤' : '≥'} ${target.toFixed(2)}`;
  if (ratio === undefined) return bound;
  return `${bound} ${meets(metric, ratio.median, target) ? 'met' : 'missed'}`;
}

function number(value: number | undefined, digits: number): string {
  if (value === undefined) return '–';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The first row is the header; the first column is text, the others are figures. */
function markdown(rows: readonly (readonly string[])[]): string {
  const [header = []] = rows;
  const widths = header.map((_, column) => Math.max(3, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => align(cell, column, widths[column] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const [first = '', ...rest] = rows.map(line);
  return [first, rule, ...rest].join('\n');
}

function align(cell: string, column: number, width: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
