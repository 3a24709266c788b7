/** Rates, runtimes and waits over time, as far as the server has listened. */
import { useMemo } from 'preact/hooks';
import type { SeriesPoint } from '../../../src/web/api.js';
import { rate } from '../../core/text.js';
import { duration } from '../../core/time.js';
import { Chart } from '../../ui/chart.js';

const POINT_SECONDS = 5;

export function Charts({ series }: { series: readonly SeriesPoint[] }) {
  const times = useMemo(() => series.map(({ at }) => Date.parse(at) / 1000), [series]);
  const each = (pick: (point: SeriesPoint) => number | null) => series.map(pick);
  const rates = useMemo(
    () => [
      { name: 'Sent', colour: '--line-1', values: each(({ sent }) => sent / POINT_SECONDS) },
      { name: 'Succeeded', colour: '--line-2', values: each(({ succeeded }) => succeeded / POINT_SECONDS) },
      { name: 'Failed', colour: '--line-3', values: each(({ failed }) => failed / POINT_SECONDS) },
      { name: 'Retried', colour: '--line-4', values: each(({ retried }) => retried / POINT_SECONDS) },
    ],
    [series],
  );
  const times95 = useMemo(
    () => [
      { name: 'Runtime p50', colour: '--line-1', values: each(({ runtimeP50 }) => runtimeP50) },
      { name: 'Runtime p95', colour: '--line-2', values: each(({ runtimeP95 }) => runtimeP95) },
      { name: 'Wait p50', colour: '--line-4', values: each(({ waitP50 }) => waitP50) },
      { name: 'Wait p95', colour: '--line-3', values: each(({ waitP95 }) => waitP95) },
    ],
    [series],
  );
  return (
    <section aria-label="Over time" class="two charts">
      <Chart title="Tasks per second" times={times} lines={rates} format={rate} />
      <Chart title="Runtime and wait" times={times} lines={times95} format={duration} />
    </section>
  );
}
