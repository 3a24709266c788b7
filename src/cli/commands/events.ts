/**
 * `celeriac events`: the events of the fleet. Shows a live page in a terminal, else one line per event; with --json,
 * one JSON document per line. Ends with Ctrl-C and exit code 0. `celeriac top` is the live page alone.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import type { FleetEvent } from '../../events/names.js';
import { type GlobalFlags, withApp } from '../connect.js';
import type { FleetState } from '../live/state.js';
import type { Output } from '../output.js';

interface EventFlags extends GlobalFlags {
  readonly json?: boolean;
  readonly lines?: boolean;
}

/** How often the live page is drawn. */
const DRAW_MS = 500;

/** Adds `events` and `top` to the program. */
export function addEventCommands(program: Command): void {
  program
    .command('events')
    .description('what happens in the fleet, until Ctrl-C: live in a terminal, lines in a pipe')
    .option('--json', 'one JSON document a line')
    .option('--lines', 'lines in a terminal as well')
    .addHelpText('after', KEYS)
    .action((_flags, command: Command) => watch(command.optsWithGlobals<EventFlags>()));
  program
    .command('top')
    .description('the live page of workers and tasks, to look and to act; in a pipe, a picture of now')
    .addHelpText('after', KEYS)
    .action((_flags, command: Command) => top(command.optsWithGlobals<GlobalFlags>()));
}

const KEYS = `
Keys of the live page:
  Tab                next part: workers, running tasks, failures, events
  j, k, Up, Down     select a row; PgUp, PgDn, Home, End
  Enter              details of the selected task or worker; Esc leads back
  c, t, r            revoke, terminate or retry the selected task
  l                  set the rate limit of its name
  +, -, a, x, s      worker: a slot more or less, add or drop a queue, shut down
  z, q               let one part fill the page; leave`;

async function top(flags: GlobalFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  const { signal, end } = untilSignal();
  await withApp(flags, async (app) => {
    if (!out.terminal) return once(app, out);
    await live(app, app.events({ signal }), out, { title: 'celeriac top', onLeave: end });
  });
}

function untilSignal(): { signal: AbortSignal; end: () => void } {
  const stop = new AbortController();
  const end = () => stop.abort();
  // Once: if the reader of the pipe is stuck, a second Ctrl-C ends the process as usual.
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  return { signal: stop.signal, end };
}

async function watch(flags: EventFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  const { signal, end } = untilSignal();
  await withApp(flags, async (app) => {
    const events = app.events({ signal });
    if (flags.json) return each(events, (event) => out.jsonLine(event), out);
    if (process.stdout.isTTY && !flags.lines)
      return live(app, events, out, { title: 'celeriac events', onLeave: end });
    const { eventLine } = await import('../live/event-text.js');
    await each(events, (event) => out.line(eventLine(event)), out);
  });
}

async function live(
  app: Celeriac,
  events: AsyncIterable<FleetEvent>,
  out: Output,
  { title, onLeave }: { title: string; onLeave: () => void },
): Promise<void> {
  const { FleetState } = await import('../live/state.js');
  const { LivePage } = await import('../live/live-page.js');
  const { LiveTerminal } = await import('../live/terminal.js');
  const state = new FleetState(Date.now());
  const page = new LivePage({
    app,
    appName: app.name,
    title,
    state,
    colors: await colorsOf(out),
    now: () => Date.now(),
    redraw: () => terminal.draw(),
  });
  const terminal = new LiveTerminal({
    write: (text) => out.write(text),
    page: (size) => page.lines(size),
    onLeave,
    onKey: (key) => page.press(key),
    everyMs: DRAW_MS,
  });
  // Until the answers come, or without them, the page shows the events alone.
  askAll(app, state).catch(() => undefined);
  try {
    await each(events, (event) => state.take(event, Date.now()), out);
  } finally {
    terminal.close();
  }
}

/** The colors of the page. What is selected is marked without colors, too. */
async function colorsOf(out: Output) {
  const { default: pc } = await import('picocolors');
  return { ...pc.createColors(out.colored), inverse: (text: string) => `\u001b[7m${text}\u001b[27m` };
}

/** The page once, whole, for who has no terminal. */
async function once(app: Celeriac, out: Output): Promise<void> {
  const { FleetState } = await import('../live/state.js');
  const { renderFleet } = await import('../live/screen.js');
  const { default: pc } = await import('picocolors');
  const state = new FleetState(Date.now());
  await askAll(app, state);
  const facts = {
    app: app.name,
    title: 'celeriac top',
    state,
    now: Date.now(),
    colors: pc.createColors(false),
  };
  for (const line of renderFleet(facts, PIPE_COLUMNS)) out.line(line);
}

/** How wide the page is in a pipe. */
const PIPE_COLUMNS = 120;

/** Asks for the tasks that run already, and the last failures: their events are past. */
async function askAll(app: Celeriac, state: FleetState): Promise<void> {
  const inspect = app.inspect();
  const failures = app.failed
    .list({ limit: FAILURES })
    .then((tasks) => state.knowFailed(tasks.map(failedRow)));
  const [stats, active] = await Promise.all([inspect.stats(), inspect.active(), failures]);
  for (const [node, tasks] of Object.entries(active)) {
    const known = stats[node];
    state.know(
      {
        node,
        active: Array.isArray(tasks) ? tasks : [],
        stats: known === undefined || 'error' in known ? undefined : known,
      },
      Date.now(),
    );
  }
  state.knowsAll(Object.values(active).every(Array.isArray));
}

/** How many failures from before the opening the page shows. */
const FAILURES = 20;

function failedRow({
  id,
  name = '',
  doneAt,
  error,
}: Awaited<ReturnType<Celeriac['failed']['list']>>[number]) {
  const cause = error?.cause ?? error;
  const exception = cause instanceof Error ? `${cause.name}: ${cause.message}` : '';
  return { id, name, exception, at: doneAt?.getTime() ?? 0 };
}

/** Prints at the reader's pace; events beyond that are dropped and reported as lost. */
async function each(
  events: AsyncIterable<FleetEvent>,
  show: (event: FleetEvent) => void,
  out: Output,
): Promise<void> {
  for await (const event of events) {
    show(event);
    await out.drained();
  }
}
