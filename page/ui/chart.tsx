/** Lines over time. Its height is fixed and its figures stand beside it, so that a new point moves nothing. */
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { useStore } from '../core/store.js';
import { colours } from '../core/theme.js';
import { clock } from '../core/time.js';

export interface Line {
  readonly name: string;
  /** A custom property of the theme: `--line-1`. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  readonly title: string;
  /** Epoch seconds. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

const HEIGHT = 170;
/** A chart that has just begun stands at its right side. */
const LEAST_SECONDS = 300;

export function Chart({ title, times, lines, format }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const [at, setAt] = useState<number | null>(null);
  const themed = useStore(colours);
  const names = lines.map(({ name }) => name).join();

  // Drawn anew for other lines or colours; points come by setData.
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const made = new uPlot(options(element, lines, format, setAt), data(times, lines), element);
    plot.current = made;
    const sizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      made.destroy();
    };
  }, [themed, names]);
  useEffect(() => plot.current?.setData(data(times, lines)), [times, lines]);

  const shown = at ?? times.length - 1;
  const moment = times[shown];
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="chart-at">{moment === undefined ? '' : clock(moment * 1000, moment * 1000)}</span>
        <ul class="legend">
          {lines.map(({ name, colour, values }) => {
            const value = values[shown];
            return (
              <li key={name}>
                <span class="swatch" style={{ background: `var(${colour})` }} aria-hidden="true" />
                {name} <b>{typeof value === 'number' ? format(value) : '–'}</b>
              </li>
            );
          })}
        </ul>
      </figcaption>
      <div class="plot" ref={box} aria-hidden="true" />
    </figure>
  );
}

function data(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [[...times], ...lines.map(({ values }) => [...values])] as uPlot.AlignedData;
}

function options(
  box: HTMLElement,
  lines: readonly Line[],
  format: (value: number) => string,
  pointed: (index: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(box);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour('--text-2'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: box.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      // Of the data: a single point would get a whole day.
      x: {
        range: ({ data: [times] }) => {
          const last = times.at(-1) ?? 0;
          return [Math.min(times[0] ?? last, last - LEAST_SECONDS), last];
        },
      },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        space: 80,
        size: 28,
        values: (_, ticks) => ticks.map((tick) => clock(tick * 1000, tick * 1000)),
      },
      { ...axis, size: 56, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.name,
        stroke: colour(line.colour),
        width: 1.5,
        // A line needs two points.
        points: { show: (_: uPlot, __: number, from: number, to: number) => to - from < 2 },
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [(plot) => pointed(plot.cursor.idx ?? null)] },
  };
}
