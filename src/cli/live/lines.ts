/** Lines of the live page: cells side by side, and figures that stay short. Pure. */
import { printable } from '../text/printable.js';
import { cutEnd, padEnd, widthOf } from '../text/width.js';

/** A cell: its text and its width in columns; the last cell of a line takes the rest. */
export type Cell = readonly [text: string, width?: number];

/** One line of at most so many columns; control characters become dots. */
export function fit(cells: readonly Cell[], columns: number): string {
  let text = '';
  for (const [given, width] of cells) {
    const cut = cutEnd(printable(given), width === undefined ? columns - widthOf(text) : width - 1);
    text += width === undefined ? cut : padEnd(cut, width);
  }
  return widthOf(text) <= columns ? text.trimEnd() : cutEnd(text, columns);
}

/** `9999`, `12k`, `3.4M`: totals of days still fit into their line. */
export function compact(count: number): string {
  if (count < 10_000) return String(count);
  if (count < 1_000_000) return `${Math.floor(count / 1000)}k`;
  return `${(Math.floor(count / 100_000) / 10).toFixed(1)}M`;
}
