/**
 * `celeriac events`: what happens in the fleet. A live page in a terminal, a line an event anywhere else, a JSON document
 * a line with --json. Ends with Ctrl-C, at exit code 0.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../app.js';
import type { FleetEvent } from '../events/names.js';
import { type GlobalFlags, withApp } from './connect.js';
import type { Output } from './output.js';

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
  const { takeStdout } = await import('./output.js');
  const out = takeStdout();
  const stop = new AbortController();
  const end = () => stop.abort();
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  await withApp(flags, async (app) => {
    const events = app.events({ signal: stop.signal });
    if (flags.json) return each(events, (event) => out.jsonLine(event));
    if (process.stdout.isTTY && !flags.lines) return live(app, events, out, end);
    const { eventLine } = await import('./event-text.js');
    await each(events, (event) => out.line(eventLine(event)));
  });
}

async function live(
  app: Celeriac,
  events: AsyncIterable<FleetEvent>,
  out: Output,
  onLeave: () => void,
): Promise<void> {
  const { FleetState } = await import('./fleet-state.js');
  const { renderScreen } = await import('./fleet-screen.js');
  const { LiveTerminal } = await import('./live-terminal.js');
  const state = new FleetState(Date.now());
  const { colors } = out;
  const terminal = new LiveTerminal({
    write: (text) => out.write(text),
    page: (size) => renderScreen({ app: app.name, state, now: Date.now(), colors }, size),
    onLeave,
    everyMs: DRAW_MS,
  });
  try {
    await each(events, (event) => state.take(event, Date.now()));
  } finally {
    terminal.close();
  }
}

async function each(events: AsyncIterable<FleetEvent>, show: (event: FleetEvent) => void): Promise<void> {
  for await (const event of events) show(event);
}
