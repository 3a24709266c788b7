/**
 * What commands print: JSON for programs (exactly one document on stdout), lines and tables for people, remarks on
 * stderr. All output passes through here, so callers pass names and values as they are. Foreign text must never control
 * the terminal.
 */
import pc from 'picocolors';
import { processWide } from '../process-wide.js';
import { type Colors, Paint } from './text/paint.js';
import { printableJson, printableText } from './text/printable.js';
import { type Column, renderTable } from './text/table.js';
import { wrap } from './text/width.js';

/** The output of a command. */
export interface Output {
  /** For texts that go to `line`, `lines` and `note`. */
  readonly colors: Colors;
  /** True if stdout shows colors. */
  readonly colored: boolean;
  /** Room for a table; `Infinity` without a terminal, so that pipes get whole values. */
  readonly columns: number;
  /** One JSON document on stdout. */
  json(value: unknown): void;
  /** One JSON document on a line of stdout. */
  jsonLine(value: unknown): void;
  /** A line for people on stdout: line breaks in it become dots. */
  line(text?: string): void;
  /** A label of `width` columns with lines next to it; a line too long for the terminal wraps below itself. */
  entry(beginning: string, width: number, ...lines: string[]): void;
  /** A table for people on stdout. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[], indent?: string): void;
  /**
   * A value or an id on stdout: byte for byte in a pipe; in a terminal with its lines, but without control sequences.
   */
  value(text: string): void;
  /** A part of a text on stdout: byte for byte in a pipe; in a terminal without control sequences. */
  chunk(text: string): void;
  /** True if stdout is a terminal. */
  readonly terminal: boolean;
  /** Text on stdout, as it is. */
  write(text: string): void;
  /** One line on stderr. */
  note(text: string): void;
  /** Resolves when the reader of stdout has room for more. */
  drained(): Promise<void>;
}

/**
 * Reserves stdout for the command: output of the app's module while it loads goes to stderr, so that `--json` and
 * `$(celeriac call …)` stay clean.
 */
export function takeStdout(): Output {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr) as typeof stdout.write;
  return createOutput({
    write: (text) => void write(text),
    writeNote: (text) => {
      if (!remarks().silenced) stderr.write(text);
    },
    drained: () =>
      stdout.writableNeedDrain ? new Promise((resolve) => stdout.once('drain', resolve)) : Promise.resolve(),
    terminal: stdout.isTTY === true,
    columns: stdout.columns,
    colored: pc.isColorSupported && stdout.isTTY === true,
    coloredNotes: pc.isColorSupported && stderr.isTTY === true,
  });
}

/** `--quiet`: from now on no remark is printed. */
export function silenceRemarks(): void {
  remarks().silenced = true;
}

function remarks(): { silenced: boolean } {
  return processWide('cli-remarks', () => ({ silenced: false }));
}

/** The streams of an {@link Output}. */
export interface OutputStreams {
  write(text: string): void;
  writeNote(text: string): void;
  drained(): Promise<void>;
  /** True if stdout is a terminal. */
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
    chunk: (text) => write(terminal ? printableText(text) : text),
    terminal,
    write,
    note: (text) => streams.writeNote(`${paint.finish(text, streams.coloredNotes)}\n`),
    drained: streams.drained,
  };
}

/** Exactly one document, for any value. */
function jsonText(value: unknown, indent?: number): string {
  const above: { readonly shown: object; readonly given: unknown }[] = [];
  const text = JSON.stringify(
    value ?? null,
    function plain(this: unknown, _key: string, inner: unknown) {
      // The rich serializer may produce a value that contains itself, which JSON cannot write.
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

/** Replaces values that JSON would drop: errors, and values of the rich serializer. */
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
