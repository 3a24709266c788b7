/**
 * `celeriac events`: the events of the fleet. Shows a live page in a terminal, else one line per event; with --json,
 * one JSON document per line. Ends with Ctrl-C and exit code 0.
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

/** Adds `events` to the program. */
export function addEventCommands(program: Command): void {
  program
    .command('events')
    .description('what happens in the fleet, until Ctrl-C: live in a terminal, lines in a pipe')
    .option('--json', 'one JSON document a line')
    .option('--lines', 'lines in a terminal as well')
    .action((_flags, command: Command) => watch(command.optsWithGlobals<EventFlags>()));
}

async function watch(flags: EventFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  const stop = new AbortController();
  const end = () => stop.abort();
  // Once: if the reader of the pipe is stuck, a second Ctrl-C ends the process as usual.
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  await withApp(flags, async (app) => {
    const events = app.events({ signal: stop.signal });
    if (flags.json) return each(events, (event) => out.jsonLine(event), out);
    if (process.stdout.isTTY && !flags.lines) return live(app, events, out, end);
    const { eventLine } = await import('../live/event-text.js');
    await each(events, (event) => out.line(eventLine(event)), out);
  });
}

async function live(
  app: Celeriac,
  events: AsyncIterable<FleetEvent>,
  out: Output,
  onLeave: () => void,
): Promise<void> {
  const { FleetState } = await import('../live/state.js');
  const { renderScreen } = await import('../live/screen.js');
  const { LiveTerminal } = await import('../live/terminal.js');
  const { PageView } = await import('../live/page-view.js');
  const { default: pc } = await import('picocolors');
  const state = new FleetState(Date.now());
  const view = new PageView();
  const colors = pc.createColors(out.colored);
  const terminal = new LiveTerminal({
    write: (text) => out.write(text),
    page: (size) => renderScreen({ app: app.name, state, now: Date.now(), colors, view }, size),
    onLeave,
    onKeys: (keys) => view.press(keys),
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

/** Asks the workers for tasks that run already, whose start events are past. */
async function askAll(app: Celeriac, state: FleetState): Promise<void> {
  const inspect = app.inspect();
  const [stats, active] = await Promise.all([inspect.stats(), inspect.active()]);
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
