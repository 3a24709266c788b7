/**
 * Tables without borders that fit into a terminal. First the columns that may shrink do so. Then columns that still
 * need more room move below their row. If the rest does not fit either, each row becomes a block of lines. Pure.
 */
import type { Colors } from './paint.js';
import { printable } from './printable.js';
import { cutEnd, cutMiddle, padEnd, padStart, widthOf } from './width.js';

/** A column: its title, and how it adapts to a narrow terminal. */
export interface Column {
  readonly title: string;
  /** Never shortened in a column: an id, a moment. */
  readonly keep?: boolean;
  readonly right?: boolean;
  /** A name, shortened in its middle; others are shortened at their end. */
  readonly name?: boolean;
  /** May move to a line of its own below the row: an error, arguments. */
  readonly below?: boolean;
}

/** Where the table is shown. */
export interface Room {
  readonly colors: Pick<Colors, 'dim'>;
  /** `Infinity` without a terminal, so that pipes get whole values. */
  readonly columns: number;
}

type Rows = readonly (readonly string[])[];

const GAP = 2;
/** The greatest width of a column in a pipe, so that one cell does not widen all rows. */
const MOST_MEASURED = 1000;
/** The least useful width of a column. */
const LEAST = 8;
/** The least useful width of a sentence below a row. */
const LEAST_BELOW = 24;

/** The lines of a table; cells are text from anywhere. */
export function renderTable(
  columns: readonly Column[],
  given: Rows,
  { colors, columns: room }: Room,
  indent = '',
): string[] {
  const rows = given.map((row) => columns.map((_, index) => flat(row[index] ?? '')));
  const width = room - indent.length;
  const natural = columns.map((column, index) => widestOf(column, index, rows, width));
  const beside = columns.map((_, index) => index);
  let widths = fit(columns, beside, natural, width);
  const below: number[] = [];
  for (const index of columns.keys()) {
    if (widths !== undefined || columns[index]?.below !== true) continue;
    below.push(index);
    beside.splice(beside.indexOf(index), 1);
    widths = fit(columns, beside, natural, width);
  }
  if (widths === undefined) return blocks(columns, rows, { colors, columns: room }, indent);
  const belowLine = (title: string, text: string) => {
    const label = `  ${title}  `;
    return text === '' ? [] : [indent + colors.dim(label) + cutEnd(text, width - label.length)];
  };
  const line = (cells: readonly string[], paint: (text: string) => string = same) =>
    indent + paint(join(columns, beside, cells, widths ?? [], !Number.isFinite(room)));
  const head = line(
    columns.map(({ title }) => title.toUpperCase()),
    colors.dim,
  );
  return [
    head,
    ...rows.flatMap((row) => [
      line(row),
      ...below.flatMap((index) => belowLine(columns[index]?.title ?? '', row[index] ?? '')),
    ]),
  ];
}

/** Collapses white space, since a row is one line. */
function flat(cell: string): string {
  return printable(cell.replace(/\s*[\n\r]\s*/g, ' '));
}

/** The width of the widest cell; text that could never fit is not measured to its end. */
function widestOf({ title }: Column, index: number, rows: Rows, room: number): number {
  const most = Number.isFinite(room) ? room * 4 : MOST_MEASURED;
  return Math.max(widthOf(title), ...rows.map((row) => widthOf((row[index] ?? '').slice(0, most))));
}

/** Widths of the columns side by side, shrinking the widest that may shrink; undefined if they do not fit. */
function fit(
  columns: readonly Column[],
  beside: readonly number[],
  natural: readonly number[],
  room: number,
): number[] | undefined {
  const widths = beside.map((index) => natural[index] ?? 0);
  const least = beside.map((index, at) => Math.min(widths[at] ?? 0, leastOf(columns[index])));
  const needed = (list: readonly number[]) => list.reduce((sum, width) => sum + width + GAP, -GAP);
  if (needed(widths) <= room) return widths;
  if (needed(least) > room) return undefined;
  for (let over = needed(widths) - room; over > 0; over--) {
    const widest = widths.reduce(
      (best, width, at) => (width > (least[at] ?? 0) && width > (widths[best] ?? -1) ? at : best),
      widths.findIndex((width, at) => width > (least[at] ?? 0)),
    );
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function leastOf(column: Column | undefined): number {
  if (column?.keep === true) return Number.POSITIVE_INFINITY;
  return column?.below === true ? LEAST_BELOW : LEAST;
}

function join(
  columns: readonly Column[],
  beside: readonly number[],
  cells: readonly string[],
  widths: readonly number[],
  whole: boolean,
): string {
  const texts = beside.map((index, at) => {
    const { name, right } = columns[index] ?? {};
    const width = widths[at] ?? 0;
    const cell = cells[index] ?? '';
    const text = whole ? cell : (name ? cutMiddle : cutEnd)(cell, width);
    return right ? padStart(text, width) : padEnd(text, width);
  });
  return texts.join(' '.repeat(GAP)).trimEnd();
}

/** One line per cell, with its title in front, and an empty line between rows. */
function blocks(
  columns: readonly Column[],
  rows: Rows,
  { colors, columns: room }: Room,
  indent: string,
): string[] {
  const label = Math.max(...columns.map(({ title }) => widthOf(title)));
  return rows.flatMap((row, at) => [
    ...(at === 0 ? [] : ['']),
    ...columns.flatMap(({ title, name, keep }, index) => {
      const text = row[index] ?? '';
      if (text === '') return [];
      const cut = name || keep ? cutMiddle : cutEnd;
      const shown = cut(text, room - indent.length - label - GAP);
      return [`${indent}${colors.dim(padEnd(title.toUpperCase(), label))}${' '.repeat(GAP)}${shown}`];
    }),
  ]);
}

function same(text: string): string {
  return text;
}
