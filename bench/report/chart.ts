/** Draws the run as an SVG: for each workload what celeriac needs of what raw BullMQ needs, from the worst round to the best. */
import { METRICS, type MetricName } from '../measure/metrics.js';
import { BASELINE, OURS } from '../subjects/registry.js';
import type { Workload } from '../workloads/workload.js';
import { type Ratio, WorkloadSummary } from './summary.js';
import type { Report } from './table.js';

/** Drawn for a workload: the first it has. All of them: less is better. */
const SHOWN: readonly MetricName[] = ['cpuUs', 'readyMs', 'waitingBytes'];
const ROW = 26;
const LEFT = 380;
const SCALE = 220;
const WIDTH = LEFT + 2 * SCALE + 60;

interface Bar {
  readonly label: string;
  readonly ratio: Ratio;
}

export function renderChart({ workloads, samples }: Report): string {
  const bars = workloads.flatMap((workload) => barOf(workload, new WorkloadSummary(samples, workload.name)));
  const height = bars.length * ROW + 60;
  const one = LEFT + SCALE;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    `<text x="8" y="20" font-size="14">celeriac ÷ raw BullMQ (shorter is better; 1 is the same)</text>`,
    ...bars.map((bar, row) => drawBar(bar, 36 + row * ROW)),
    `<line x1="${one}" x2="${one}" y1="30" y2="${height - 16}" stroke="black" stroke-dasharray="4 3"/>`,
    '</svg>',
    '',
  ].join('\n');
}

function barOf(workload: Workload, summary: WorkloadSummary): Bar[] {
  for (const metric of SHOWN) {
    const ratio = summary.ratio(OURS, BASELINE, metric);
    if (ratio !== undefined) return [{ label: `${workload.title}: ${METRICS[metric].label}`, ratio }];
  }
  return [];
}

function drawBar({ label, ratio }: Bar, y: number): string {
  const x = (value: number): number => Math.min(2.1, value) * SCALE;
  const colour = ratio.median <= 1 ? '#2a7f62' : '#c77b30';
  const middle = y + ROW / 2;
  return [
    `<text x="${LEFT - 8}" y="${middle + 4}" text-anchor="end">${escapeXml(label)}</text>`,
    `<rect x="${LEFT}" y="${y + 4}" width="${x(ratio.median).toFixed(1)}" height="${ROW - 8}" fill="${colour}"/>`,
    `<line x1="${(LEFT + x(ratio.lowest)).toFixed(1)}" x2="${(LEFT + x(ratio.highest)).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="black"/>`,
    `<text x="${(LEFT + x(ratio.median) + 6).toFixed(1)}" y="${middle + 4}">${ratio.median.toFixed(2)}</text>`,
  ].join('');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
