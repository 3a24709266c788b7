/**
 * What commands print: JSON for programs (exactly one document on stdout), tables for people, remarks on stderr.
 */
import pc from 'picocolors';
import { printable } from './printable.js';

/** Where a command's words go. */
export interface Output {
  readonly colors: ReturnType<typeof pc.createColors>;
  /** Room for a table; `Infinity` when nobody looks at it, so that pipes get whole values. */
  readonly columns: number;
  /** One JSON document on stdout. */
  json(value: unknown): void;
  /** A line for people on stdout. */
  line(text?: string): void;
  /** Text on stdout, as it is. */
  write(text: string): void;
  /** A remark on stderr. */
  note(text: string): void;
}

/**
 * Takes stdout for the command itself: whatever the app's module prints while it loads goes to stderr, so that
 * `--json` and `$(celeriac call …)` stay clean.
 */
export function takeStdout(): Output {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr) as typeof stdout.write;
  // `celeriac list | head` closes the pipe early; that is no failure.
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return {
    colors: pc.createColors(pc.isColorSupported && stdout.isTTY === true),
    columns: stdout.isTTY ? Math.max(stdout.columns ?? 80, 40) : Number.POSITIVE_INFINITY,
    json: (value) => void write(`${JSON.stringify(value ?? null, readable, 2)}\n`),
    line: (text = '') => void write(`${text}\n`),
    write: (text) => void write(text),
    note: (text) => void stderr.write(`${text}\n`),
  };
}

/** What JSON would drop: errors as what they say, and values that the rich serializer carries. */
function readable(_key: string, value: unknown): unknown {
  if (value instanceof Error) {
    const { name, message, cause } = value;
    return Object.assign({ name, message }, value, cause === undefined ? {} : { cause });
  }
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map) return Object.fromEntries(value);
  return value instanceof Set ? [...value] : value;
}

/** A column: its title, and whether it keeps its width when room is short (ids do, arguments do not). */
export interface Column {
  readonly title: string;
  readonly keep?: boolean;
  readonly right?: boolean;
}

/** A borderless table that fits into the terminal; what is too long ends in `…`. */
export async function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { colors, columns: room }: Pick<Output, 'colors' | 'columns'>,
  indent = '',
): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const widths = fit(columns, rows, room - indent.length);
  const table = new Table({
    head: columns.map(({ title }) => colors.dim(title.toUpperCase())),
    colWidths: widths,
    colAligns: columns.map(({ right }) => (right ? 'right' : 'left')),
    chars: NO_BORDERS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  table.push(...rows.map((row) => row.map((cell) => printable(cell.replace(/\s*\n\s*/g, ' ')))));
  return table
    .toString()
    .split('\n')
    .map((line) => (indent + line).trimEnd())
    .join('\n');
}

const GAP = 2;
const LEAST = 8;

const NO_BORDERS = Object.fromEntries(
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid middle'
    .split(' ')
    .map((name) => [name, '']),
);

/** Widths with the gap included: as wide as the content, then the widest that may shrink gives way. */
function fit(columns: readonly Column[], rows: readonly (readonly string[])[], room: number): number[] {
  const natural = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const widths = natural.map((width) => width + GAP);
  const total = (): number => widths.reduce((sum, width) => sum + width, 0) - GAP;
  while (total() > room) {
    const wide = widths
      .map((width, index) => ({ width, index }))
      .filter(({ width, index }) => columns[index]?.keep !== true && width > LEAST + GAP)
      .sort((a, b) => b.width - a.width)[0];
    if (wide === undefined) break;
    widths[wide.index] = wide.width - 1;
  }
  return widths;
}

/** `1h 4m`, `3.2s`, `250ms`: for people, two units at most. */
export function humanDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m ${Math.floor((ms % 60_000) / 1000)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** A value on one line, short of quotes where it is plain text. */
export function oneLine(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}
