/**
 * What commands print: JSON for programs (exactly one document on stdout), lines and tables for people, remarks on
 * stderr. All of it passes here, and nothing from afar steers a terminal: names and values are handed over as they are.
 */
import pc from 'picocolors';
import { type Colors, Paint } from './text/paint.js';
import { printableJson, printableText } from './text/printable.js';
import { type Column, renderTable } from './text/table.js';
import { wrap } from './text/width.js';

/** Where a command's words go. */
export interface Output {
  /** For texts that go to `line`, `lines` and `note`. */
  readonly colors: Colors;
  /** Whether colors are seen on stdout. */
  readonly colored: boolean;
  /** Room for a table; `Infinity` when nobody looks at it, so that pipes get whole values. */
  readonly columns: number;
  /** One JSON document on stdout. */
  json(value: unknown): void;
  /** One JSON document on a line of stdout. */
  jsonLine(value: unknown): void;
  /** A line for people on stdout: line breaks in it become dots. */
  line(text?: string): void;
  /** A beginning of so many columns, and lines beside it; one too long for the terminal goes on below itself. */
  entry(beginning: string, width: number, ...lines: string[]): void;
  /** A table for people on stdout. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[], indent?: string): void;
  /** A value or an id on stdout: byte for byte in a pipe, with its lines but without what steers in a terminal. */
  value(text: string): void;
  /** Text on stdout, as it is. */
  write(text: string): void;
  /** A remark on stderr, a line. */
  note(text: string): void;
  /** Resolves when the reader of stdout has room for more. */
  drained(): Promise<void>;
}

/**
 * Takes stdout for the command itself: whatever the app's module prints while it loads goes to stderr, so that
 * `--json` and `$(celeriac call …)` stay clean.
 */
export function takeStdout(): Output {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr) as typeof stdout.write;
  return createOutput({
    write: (text) => void write(text),
    writeNote: (text) => void stderr.write(text),
    drained: () =>
      stdout.writableNeedDrain ? new Promise((resolve) => stdout.once('drain', resolve)) : Promise.resolve(),
    terminal: stdout.isTTY === true,
    columns: stdout.columns,
    colored: pc.isColorSupported && stdout.isTTY === true,
    coloredNotes: pc.isColorSupported && stderr.isTTY === true,
  });
}

/** What an {@link Output} stands on. */
export interface OutputStreams {
  write(text: string): void;
  writeNote(text: string): void;
  drained(): Promise<void>;
  /** Whether stdout is one. */
  readonly terminal: boolean;
  readonly columns: number | undefined;
  readonly colored: boolean;
  readonly coloredNotes: boolean;
}

/** For tests, and for {@link takeStdout}. */
export function createOutput(streams: OutputStreams): Output {
  const { write, terminal, colored } = streams;
  const paint = new Paint();
  const columns = terminal ? Math.max(streams.columns || 80, 40) : Number.POSITIVE_INFINITY;
  const line = (text = '') => write(`${paint.finish(text, colored)}\n`);
  return {
    colors: paint.colors,
    colored,
    columns,
    json: (value) => write(`${printableJson(jsonText(value, 2))}\n`),
    jsonLine: (value) => write(`${printableJson(jsonText(value))}\n`),
    line,
    entry: (beginning, width, ...lines) => {
      const room = Math.max(20, columns - width);
      const [first = '', ...more] = lines.flatMap((text) => (terminal ? wrap(text, room) : [text]));
      line(`${beginning}${first}`);
      for (const part of more) line(' '.repeat(width) + part);
    },
    table: (titles, rows, indent) => {
      for (const text of renderTable(titles, rows, { colors: paint.colors, columns }, indent)) line(text);
    },
    value: (text) => write(`${terminal ? printableText(text) : text}\n`),
    write,
    note: (text) => streams.writeNote(`${paint.finish(text, streams.coloredNotes)}\n`),
    drained: streams.drained,
  };
}

/** Exactly one document, whatever the value is. */
function jsonText(value: unknown, indent?: number): string {
  const above: { readonly shown: object; readonly given: unknown }[] = [];
  const text = JSON.stringify(
    value ?? null,
    function plain(this: unknown, _key: string, inner: unknown) {
      // A value that holds itself, as the rich serializer may bring one, would be no document at all.
      while (above.length > 0 && above.at(-1)?.shown !== this) above.pop();
      const shown = readable(inner);
      if (typeof shown !== 'object' || shown === null) return shown;
      if (above.some(({ given }) => given === inner)) return '[circular]';
      above.push({ shown, given: inner });
      return shown;
    },
    indent,
  );
  return text ?? 'null';
}

/** What JSON would drop: errors as what they say, and values that the rich serializer carries. */
function readable(value: unknown): unknown {
  if (value instanceof Error) {
    const { name, message, cause } = value;
    const own: object = { ...value };
    return { name, message, ...own, ...(cause === undefined ? {} : { cause }) };
  }
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof RegExp) return String(value);
  if (value instanceof Uint8Array) return [...value];
  return value instanceof Set ? [...value] : value;
}
