/**
 * `celeriac call` and `celeriac result`: send a task by name, and show a task's state and result.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { CeleriacError, isCeleriacError } from '../../errors.js';
import { EXCEPTION, READY } from '../../states.js';
import { appSpec, commandLine, type GlobalFlags, shellWord, withApp } from '../connect.js';
import { describeError, EXIT } from '../exit.js';
import {
  argsFlag,
  countFlag,
  durationFlag,
  durationOrMomentFlag,
  headersFlag,
  momentFlag,
} from '../flags.js';
import type { Output } from '../output.js';
import { humanDuration } from '../text/human.js';

type AsyncResult = ReturnType<Celeriac['result']>;
type Snapshot = Awaited<ReturnType<AsyncResult['snapshot']>>;

interface CallFlags extends GlobalFlags {
  readonly args?: unknown[];
  readonly wait?: boolean;
  readonly follow?: boolean;
  readonly timeout?: number;
  readonly json?: boolean;
  readonly queue?: string;
  readonly countdown?: number;
  readonly eta?: string;
  readonly expires?: number | string;
  readonly priority?: number;
  readonly taskId?: string;
  readonly headers?: Record<string, unknown>;
  readonly tag?: readonly string[];
}

interface ResultFlags extends GlobalFlags {
  readonly verbose?: boolean;
  readonly follow?: boolean;
  readonly json?: boolean;
}

/** Adds `call` and `result` to the program. */
export function addCallCommands(program: Command): void {
  program
    .command('call')
    .description('send a task by its name; prints its id, or with --wait its result')
    .argument('<name>', 'the task')
    .option('-a, --args <json>', `its arguments, a JSON array: '["42", 7]'`, argsFlag)
    .option('-w, --wait', 'wait for the result and print it; states on the way go to stderr')
    .option('-f, --follow', 'as --wait, and print the chunks of its stream as they come')
    .option('--timeout <duration>', 'with --wait: give up after this long', durationFlag('--timeout'))
    .option('-q, --queue <queue>', 'send it to this queue')
    .option('--countdown <duration>', 'start it this much later', durationFlag('--countdown'))
    .option('--eta <moment>', 'start it at this moment (ISO 8601)', momentFlag('--eta'))
    .option('--expires <when>', 'drop it unless it started by then', durationOrMomentFlag('--expires'))
    .option('--priority <n>', '0 is most urgent', countFlag('--priority', 0))
    .option('--task-id <id>', 'an id of your own')
    .option('--tag <tag...>', 'words to find it by')
    .option('--headers <json>', 'free data for middleware, a JSON object', headersFlag)
    .option('--json', 'print { "id" }, or with --wait the value, as JSON')
    .action((name: string, _flags, command: Command) => call(name, command.optsWithGlobals<CallFlags>()));
  program
    .command('result')
    .description('what became of a task')
    .argument('<id>', 'the id that call printed')
    .option('-f, --follow', 'show each state until it ends, and the chunks of its stream as they come')
    .option('-v, --verbose', 'show the stack of its error as well')
    .option('--json', 'print its snapshot as JSON')
    .action((id: string, _flags, command: Command) => result(id, command.optsWithGlobals<ResultFlags>()));
}

async function call(name: string, flags: CallFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const sent = await app.sendTask(name, flags.args ?? [], callOptions(flags));
    if (appSpec(flags) === undefined && flags.queue === undefined)
      out.note(
        "celeriac: sent to the default queue: without -A nothing is known of the task's own queue, nor of routes. -q names one.",
      );
    const { unknownName } = await import('./call-hints.js');
    const unknown = unknownName(app, flags, name);
    if (!flags.wait && !flags.follow) {
      flags.json ? out.json(sent) : out.value(sent.id);
      return remark(await unknown, out);
    }
    out.note(`${name} ${sent.id}`);
    const { ended, printed } = await remarking(app, sent, unknown, out, () => endOf(sent, flags, out));
    if (printed) return endAfterChunks(ended, out);
    if (flags.json) out.json('error' in ended ? ended.error : ended.value);
    if ('error' in ended) throw ended.error;
    if (!flags.json) out.value(await valueText(ended.value));
  });
}

/** Waits for the result, and meanwhile prints warnings about a task that may never run. */
async function remarking<R>(
  app: Celeriac,
  sent: AsyncResult,
  unknown: Promise<string | undefined>,
  out: Output,
  wait: () => Promise<R>,
): Promise<R> {
  const { nobodyTakes } = await import('./call-hints.js');
  const ended = new AbortController();
  const warn = (text: string | undefined) => {
    if (!ended.signal.aborted) remark(text, out);
  };
  void unknown.then(warn);
  void nobodyTakes(app, sent, ended.signal).then(warn);
  try {
    return await wait();
  } finally {
    ended.abort();
  }
}

function remark(text: string | undefined, out: Output): void {
  if (text !== undefined) out.note(`celeriac: ${text}`);
}

type End = { readonly value: unknown } | { readonly error: unknown };

/** Stdout has the chunks: the value is a remark beside them. */
async function endAfterChunks(ended: End, out: Output): Promise<void> {
  if ('error' in ended) throw ended.error;
  if (ended.value !== undefined) out.note(await valueText(ended.value));
}

/** The end of the task, and with --follow whether it had chunks. */
async function endOf(
  sent: AsyncResult,
  flags: CallFlags,
  out: Output,
): Promise<{ readonly ended: End; readonly printed: boolean }> {
  const note = (text: string) => out.note(text);
  if (!flags.follow) return { ended: await endWaitedFor(sent, flags, out, note), printed: false };
  const { ChunkPrinter } = await import('./print-chunks.js');
  const printer = new ChunkPrinter(out, flags.json === true);
  const waiting = new AbortController();
  const chunks = printer.print(sent, waiting.signal);
  // The last state stands below the last chunk.
  let last: string | undefined;
  const ended = await endWaitedFor(sent, flags, out, (text, isLast) => {
    if (isLast) last = text;
    else printer.note(text);
  });
  // After the timeout the command ends; after the end of the task the last chunks are still to come.
  if ('error' in ended && isCeleriacError(ended.error, 'RESULT_TIMEOUT')) waiting.abort();
  await chunks;
  if (last !== undefined) printer.note(last);
  return { ended, printed: printer.count > 0 };
}

/** How the task ended. With `--json` an error is an answer like a value. */
async function endWaitedFor(
  sent: AsyncResult,
  flags: CallFlags,
  out: Output,
  note: (text: string, isLast: boolean) => void,
): Promise<End> {
  try {
    const value = await sent.get({
      ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
      onUpdate: ({ state, meta }) => note(updateLine(state, meta, out), READY.has(state)),
    });
    return { value };
  } catch (error) {
    if (!isCeleriacError(error, 'RESULT_TIMEOUT')) return { error };
    // The error's own text addresses programs; people get a command that waits longer.
    const again = commandLine(`result ${shellWord(sent.id)} --follow`, flags);
    const text = `it did not end within ${humanDuration(flags.timeout ?? 0)}. It goes on: "${again}" waits longer.`;
    return { error: new CeleriacError(text, { code: 'RESULT_TIMEOUT', cause: error }) };
  }
}

function callOptions(flags: CallFlags): Record<string, unknown> {
  const { queue, countdown, eta, expires, priority, taskId, headers, tag: tags } = flags;
  const given = { queue, countdown, eta, expires, priority, taskId, headers, tags };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function result(id: string, flags: ResultFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const handle = app.result(id);
    const printed = flags.follow ? await follow(handle, flags, out) : 0;
    const snapshot = await handle.snapshot();
    if (printed > 0) {
      if (snapshot.error !== undefined) out.note(describeError(snapshot.error, false));
    } else if (flags.json) out.json(snapshot);
    else if (snapshot.known) await showSnapshot(snapshot, out);
    if (!flags.json && flags.verbose) showStack(snapshot, out);
    process.exitCode = exitCodeFor(snapshot);
    if (!snapshot.known) out.note(`celeriac: no task "${id}" is known: never sent, or no longer kept.`);
  });
}

/** @returns the number of printed chunks */
async function follow(handle: AsyncResult, flags: ResultFlags, out: Output): Promise<number> {
  const { ChunkPrinter } = await import('./print-chunks.js');
  const printer = new ChunkPrinter(out, flags.json === true);
  const printing = printer.print(handle);
  try {
    for await (const { state, meta } of handle.updates()) {
      // The last state stands below the last chunk.
      if (READY.has(state)) await printing;
      printer.note(updateLine(state, meta, out));
    }
  } catch (error) {
    // An unknown id is reported with its snapshot, as without --follow.
    if (!isCeleriacError(error, 'UNKNOWN_TASK')) throw error;
  }
  await printing;
  return printer.count;
}

/** A task that failed, was revoked or is unknown fails the command. */
function exitCodeFor({ known, state }: Snapshot): number {
  return known && !(READY.has(state) && EXCEPTION.has(state)) ? EXIT.ok : EXIT.failed;
}

/** A task for people, one fact per line. */
export async function showSnapshot(snapshot: Snapshot, out: Output): Promise<void> {
  const rows: [string, string | undefined][] = [
    ['id', snapshot.id],
    ['task', snapshot.name],
    ['state', paintState(snapshot.state, out)],
    ['value', snapshot.value === undefined ? undefined : await valueText(snapshot.value)],
    ['error', snapshot.error === undefined ? undefined : describeError(snapshot.error, false)],
    ['meta', snapshot.meta === undefined ? undefined : await valueText(snapshot.meta)],
    [
      'args',
      snapshot.args.length === 0 ? undefined : snapshot.args.map((arg) => JSON.stringify(arg)).join(', '),
    ],
    ['queue', snapshot.queue],
    ['worker', snapshot.worker],
    ['retries', snapshot.retries === 0 ? undefined : String(snapshot.retries)],
    ['sent', snapshot.sentAt?.toISOString()],
    ['started', snapshot.startedAt?.toISOString()],
    ['done', snapshot.doneAt?.toISOString()],
    ['steps', snapshot.steps.length === 0 ? undefined : snapshot.steps.map(stepLine).join('\n')],
  ];
  for (const [name, text] of rows) {
    if (text === undefined) continue;
    // Only values have lines of their own; a name with a line break in it stays one line.
    const lines = name === 'value' || name === 'meta' || name === 'steps' ? text.split('\n') : [text];
    out.entry(out.colors.dim(name.padEnd(LABEL_WIDTH)), LABEL_WIDTH, ...lines);
  }
}

const LABEL_WIDTH = 9;

function stepLine({ name, kind, startedAt, doneAt }: Snapshot['steps'][number]): string {
  const end = doneAt === undefined ? 'not over' : `done ${doneAt.toISOString()}`;
  return `${kind} ${JSON.stringify(name)}, began ${startedAt.toISOString()}, ${end}`;
}

/** The error's stack in the worker, and those of its causes. */
export function showStack({ error }: Snapshot, out: Output): void {
  const stack: unknown = error === undefined ? undefined : Reflect.get(error, 'remoteStack');
  const cause = error?.cause instanceof Error ? error.cause.stack : undefined;
  const text = typeof stack === 'string' ? stack : cause;
  if (text === undefined) return;
  out.line();
  // A message may have several lines; they are indented, so that none looks like a line of ours.
  for (const [at, line] of text.split('\n').entries())
    out.line(at === 0 || /^\s/.test(line) ? line : `  ${line}`);
}

function updateLine(state: string, meta: unknown, out: Output): string {
  const details = meta === undefined || meta === null || READY.has(state) ? '' : ` ${JSON.stringify(meta)}`;
  return `${paintState(state, out)}${out.colors.dim(details)}`;
}

function paintState(state: string, { colors }: Output): string {
  if (state === 'SUCCESS') return colors.green(state);
  if (state === 'FAILURE' || state === 'REVOKED') return colors.red(state);
  return state === 'RETRY' ? colors.yellow(state) : colors.cyan(state);
}

/** A string without quotes, so that shells can use it; other values as source code. */
async function valueText(value: unknown): Promise<string> {
  if (typeof value === 'string') return value;
  const { inspect } = await import('node:util');
  return inspect(value, { depth: 6, breakLength: 76, compact: 3 });
}
