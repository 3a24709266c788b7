/**
 * The prompt of `celeriac shell`, on Node's own REPL. In a terminal with a history; in a pipe without a prompt, one
 * statement after the other, each to its end.
 */
import { createInterface } from 'node:readline';
import repl, { type REPLServer } from 'node:repl';
import { PassThrough, Writable } from 'node:stream';
import { inspect } from 'node:util';
import { EXIT } from '../exit.js';
import { coloredText } from '../text/printable.js';

/** Settings of {@link runShell}. */
export interface ShellOptions {
  /** What the statements know. */
  readonly names: Readonly<Record<string, unknown>>;
  readonly color: boolean;
  /** The file of the history; empty for none. */
  readonly history: string;
}

/** Runs until the input ends, or `.exit`. In a pipe a statement that throws makes the exit code 1. */
export async function runShell({ names, color, history }: ShellOptions): Promise<void> {
  const terminal = process.stdin.isTTY === true;
  const input = terminal ? process.stdin : new PassThrough();
  const server = repl.start({
    prompt: terminal ? 'celeriac> ' : '',
    input,
    output: terminal ? process.stdout : answers(),
    terminal,
    useColors: color,
    // Messages of errors come from anywhere, and are written as they are.
    writer: (value: unknown) => coloredText(inspect(value, { ...repl.writer.options, colors: color })),
    // The same realm as the app's: its checks know arrays and dates of the prompt.
    useGlobal: true,
    ignoreUndefined: !terminal,
  });
  // Own properties that the prompt may declare anew: `const add = …`.
  for (const [name, value] of Object.entries(names))
    Object.defineProperty(server.context, name, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  const left = new Promise<void>((resolve) => server.once('exit', resolve));
  const onRejection = (error: unknown) => {
    process.stderr.write(`Uncaught (in promise) ${server.writer(error)}\n`);
    if (!terminal) process.exitCode = EXIT.failed;
  };
  process.on('unhandledRejection', onRejection);
  if (terminal && history !== '') await withHistory(server, history);
  if (!terminal) await feed(server, input as PassThrough);
  await left;
  process.off('unhandledRejection', onRejection);
}

/** What a REPL without a terminal prints: values go to stdout, errors to stderr, and make the exit code 1. */
function answers(): Writable {
  return new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      // The REPL says no other way that a statement threw. A value never begins like this: text has quotes.
      const threw = text.startsWith('Uncaught');
      if (threw) process.exitCode = EXIT.failed;
      (threw ? process.stderr : process.stdout).write(text);
      done();
    },
  });
}

function withHistory(server: REPLServer, file: string): Promise<void> {
  return new Promise((resolve) => {
    server.setupHistory(file, (error) => {
      // A home that cannot be written: the prompt works without.
      if (error !== null) process.stderr.write(`celeriac: no history: ${error.message}\n`);
      resolve();
    });
  });
}

/** Gives the REPL each line of stdin once the one before has ended: it would start all lines of a pipe at once. */
async function feed(server: REPLServer, input: PassThrough): Promise<void> {
  let onReady: () => void = () => undefined;
  Reflect.set(server, 'displayPrompt', () => onReady());
  let closed = false;
  server.once('close', () => {
    closed = true;
    onReady();
  });
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (closed) break;
    const ready = new Promise<void>((resolve) => {
      onReady = resolve;
    });
    input.write(`${line}\n`);
    await ready;
  }
  input.end();
}
