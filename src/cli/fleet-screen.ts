/**
 * The live view as lines of text: as many as fit, none longer than the terminal is wide. Pure.
 */
import type { FleetEvent } from '../events/names.js';
import { clockText, eventText } from './event-text.js';
import type { FleetState, RunningRow, WorkerRow } from './fleet-state.js';
import { humanDuration, type Output } from './output.js';
import { printable } from './printable.js';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ScreenFacts {
  readonly app: string;
  readonly state: FleetState;
  readonly now: number;
  readonly colors: Output['colors'];
}

/** A cell: its text, and how many characters it takes; the last of a line takes what is left. */
type Cell = readonly [text: string, width?: number];

/** Exactly the lines to show. */
export function renderScreen(facts: ScreenFacts, { columns, rows }: ScreenSize): string[] {
  const { state, now, colors } = facts;
  const workers = state.workers(now);
  const running = state.running();
  // Title, totals, and for each of the three parts an empty line and a heading; the last line stays free.
  const room = Math.max(3, rows - 2 - 3 * 2 - 1);
  const forWorkers = Math.min(Math.max(1, workers.length), Math.max(1, Math.floor(room * 0.3)));
  const forRunning = Math.min(Math.max(1, running.length), Math.max(1, Math.floor(room * 0.35)));
  const forRecent = Math.max(1, room - forWorkers - forRunning);
  const line = (...cells: Cell[]) => fit(cells, columns);
  const heading = (...cells: Cell[]) => colors.dim(line(...cells));
  const part = <R>(list: readonly R[], most: number, none: string, show: (row: R) => string): string[] => {
    if (list.length === 0) return [colors.dim(line([none]))];
    const cut = list.length > most ? list.slice(0, Math.max(1, most - 1)) : list;
    const more = list.length - cut.length;
    return [...cut.map(show), ...(more > 0 && most > 1 ? [colors.dim(line([`… ${more} more`]))] : [])];
  };
  return [
    colors.bold(line([`celeriac events · ${facts.app}`, Math.max(10, columns - 10)], [clockText(now)])),
    line([totals(state, workers, running, now)]),
    '',
    heading(['WORKER', 32], ['RUNNING', 9], ['DONE', 9], ['LOAD', 6], ['QUEUES']),
    ...part(workers, forWorkers, 'none heard of yet', (row) => workerLine(row, line, colors)),
    '',
    heading(['RUNNING', 26], ['FOR', 9], ['WORKER', 22], ['STATE']),
    ...part(running, forRunning, 'nothing', (row) =>
      line([row.name, 26], [humanDuration(now - row.since), 9], [row.node, 22], [row.state ?? '']),
    ),
    '',
    heading(['TIME', 10], ['EVENT', 18], ['']),
    ...state
      .recent()
      .slice(0, forRecent)
      .map((event) =>
        tint(event, line([clockText(event.timestamp), 10], [event.type, 18], [eventText(event)]), colors),
      ),
  ].slice(0, rows - 1);
}

function totals(
  state: FleetState,
  workers: readonly WorkerRow[],
  running: readonly RunningRow[],
  now: number,
): string {
  const { sent, succeeded, failed, retried, revoked } = state.tallies;
  const living = workers.filter(({ gone }) => !gone);
  // Tasks that began before anybody watched are in the workers' own count only.
  const active = Math.max(
    running.length,
    living.reduce((sum, row) => sum + row.active, 0),
  );
  const parts = [
    `${living.length} ${living.length === 1 ? 'worker' : 'workers'}`,
    `${active} running`,
    `${state.rate(now).toFixed(1)}/s`,
    `sent ${compact(sent)}`,
    `ok ${compact(succeeded)}`,
    `failed ${compact(failed)}`,
    `retried ${compact(retried)}`,
    `revoked ${compact(revoked)}`,
    ...(state.lost > 0 ? [`lost ${compact(state.lost)}`] : []),
  ];
  return parts.join('  ');
}

/** `9999`, `12k`, `3.4M`: totals of days still fit into their line. */
function compact(count: number): string {
  if (count < 10_000) return String(count);
  if (count < 1_000_000) return `${Math.floor(count / 1000)}k`;
  return `${(Math.floor(count / 100_000) / 10).toFixed(1)}M`;
}

function workerLine(
  { node, active, concurrency, processed, load, queues, gone }: WorkerRow,
  line: (...cells: Cell[]) => string,
  colors: Output['colors'],
): string {
  const slots = gone ? 'gone' : `${active}/${concurrency}`;
  const text = line(
    [node, 32],
    [slots, 9],
    [String(processed), 9],
    [gone ? '' : load.toFixed(1), 6],
    [queues.join(' ')],
  );
  return gone ? colors.dim(text) : text;
}

function tint({ type }: FleetEvent, text: string, colors: Output['colors']): string {
  if (type === 'task-failed' || type === 'events-lost') return colors.red(text);
  if (type === 'task-succeeded') return colors.green(text);
  if (type === 'task-retried' || type === 'task-revoked' || type === 'task-rejected')
    return colors.yellow(text);
  return text;
}

function fit(cells: readonly Cell[], columns: number): string {
  let text = '';
  for (const [given, width] of cells) {
    const room = width ?? columns - text.length;
    const clean = printable(given);
    const gap = width === undefined ? 0 : 1;
    const cut = clean.length > room - gap ? `${clean.slice(0, Math.max(0, room - gap - 1))}…` : clean;
    text += width === undefined ? cut : cut.padEnd(width);
  }
  return text.slice(0, columns).trimEnd();
}
