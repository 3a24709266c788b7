/**
 * The live view as lines of text: as many as fit, none longer than the terminal is wide. Pure.
 */
import type { FleetEvent } from '../events/names.js';
import { clockText, eventText } from './event-text.js';
import type { FleetState, RunningRow, WorkerRow } from './fleet-state.js';
import { humanDuration } from './human.js';
import type { Output } from './output.js';
import { printable } from './printable.js';
import { cutEnd, cutMiddle, padEnd, widthOf } from './width.js';

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
  const running = state.running(now);
  const failed = state.failed();
  const silent = state.silentMs(now);
  // Title, totals, and for each part an empty line and a heading; the last line stays free.
  const room = Math.max(3, rows - 2 - (failed.length > 0 ? 4 : 3) * 2 - 1);
  const share = (list: readonly unknown[], part: number) =>
    Math.min(Math.max(1, list.length), Math.max(1, Math.floor(room * part)));
  const forWorkers = share(workers, 0.3);
  const forRunning = share(running, 0.35);
  const forFailed = failed.length > 0 ? share(failed, 0.2) : 0;
  const forRecent = Math.max(1, room - forWorkers - forRunning - forFailed);
  // Parts of the width, not of what is shown: columns must not move with every task.
  const nodeWidth = Math.min(56, Math.floor(columns * 0.4));
  const nameWidth = Math.min(60, Math.floor(columns * 0.33));
  const hostWidth = Math.min(44, Math.floor(columns * 0.28));
  const line = (...cells: Cell[]) => fit(cells, columns);
  const heading = (...cells: Cell[]) => colors.dim(line(...cells));
  return [
    colors.bold(title(facts.app, workers, running, now, columns)),
    line([totals(state, now)]),
    silent === undefined
      ? ''
      : colors.yellow(line([`nothing heard for ${humanDuration(silent)}: is the broker away?`])),
    heading(['WORKER', nodeWidth], ['RUNNING', 9], ['DONE', 9], ['LOAD', 6], ['QUEUES']),
    ...part(workers, forWorkers, 'none heard of yet', {
      show: (row) => workerLine(row, nodeWidth, line, colors),
      more: (hidden) => colors.dim(line([moreWorkers(hidden)])),
      none: (text) => colors.dim(line([text])),
    }),
    '',
    heading(['RUNNING', nameWidth], ['FOR', 9], ['WORKER', hostWidth], ['STATE']),
    ...part(running, forRunning, 'nothing', {
      show: ({ name, since, node, state: own }) =>
        line(
          [cutMiddle(name, nameWidth - 1), nameWidth],
          [humanDuration(now - since), 9],
          [cutMiddle(node, hostWidth - 1), hostWidth],
          [own ?? ''],
        ),
      more: (hidden) => colors.dim(line([`… ${hidden.length} more`])),
      none: (text) => colors.dim(line([text])),
    }),
    ...(forFailed === 0 ? [] : ['', heading(['FAILED', 10], ['TASK', nameWidth], ['ERROR'])]),
    ...failed
      .slice(0, forFailed)
      .map(({ at, name, exception }) =>
        colors.red(line([clockText(at), 10], [cutMiddle(name, nameWidth - 1), nameWidth], [exception])),
      ),
    '',
    heading(['TIME', 10], ['EVENT', 18], ['']),
    ...state
      .recent()
      .slice(0, forRecent)
      .map((event) => tint(event, line(...eventCells(event, columns)), colors)),
  ].slice(0, rows - 1);
}

interface PartLines<R> {
  show(row: R): string;
  /** The last line, for those that have no room. */
  more(hidden: readonly R[]): string;
  none(text: string): string;
}

function part<R>(list: readonly R[], most: number, none: string, lines: PartLines<R>): string[] {
  if (list.length === 0) return [lines.none(none)];
  if (list.length <= most) return list.map(lines.show);
  const shown = list.slice(0, Math.max(1, most - 1));
  return [...shown.map(lines.show), ...(most > 1 ? [lines.more(list.slice(shown.length))] : [])];
}

/** The app and how large its fleet is on the left, the time on the right; a long name gives way. */
function title(
  app: string,
  workers: readonly WorkerRow[],
  running: readonly RunningRow[],
  now: number,
  columns: number,
): string {
  const living = workers.filter(({ gone }) => !gone);
  // Tasks that began before anybody watched are in the workers' own count only.
  const active = Math.max(
    running.length,
    living.reduce((sum, row) => sum + row.active, 0),
  );
  const size = ` · ${living.length} ${living.length === 1 ? 'worker' : 'workers'} · ${active} running`;
  const head = 'celeriac events · ';
  const clock = clockText(now);
  const name = cutMiddle(printable(app), Math.max(8, columns - head.length - size.length - clock.length - 1));
  const left = cutEnd(head + name + size, columns - clock.length - 1);
  return padEnd(left, columns - clock.length) + clock;
}

/** Short enough for 80 columns whatever the figures are. */
function totals(state: FleetState, now: number): string {
  const { sent, succeeded, failed, retried, revoked } = state.tallies;
  const rate = state.rate(now);
  const parts = [
    `${rate < 100 ? rate.toFixed(1) : compact(Math.round(rate))}/s`,
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

/** Those that are gone stand last, where the page may end: their number is what one must not miss. */
function moreWorkers(hidden: readonly WorkerRow[]): string {
  const gone = hidden.filter((row) => row.gone).length;
  return `… ${hidden.length} more${gone === 0 ? '' : `, ${gone} gone`}`;
}

function workerLine(
  { node, active, concurrency, processed, load, queues, gone }: WorkerRow,
  width: number,
  line: (...cells: Cell[]) => string,
  colors: Output['colors'],
): string {
  const text = line(
    [cutMiddle(node, width - 1), width],
    [gone ? 'gone' : `${active}/${concurrency}`, 9],
    [compact(processed), 9],
    [gone ? '' : load.toFixed(1), 6],
    [queues.join(' ')],
  );
  return gone ? colors.dim(text) : text;
}

function eventCells(event: FleetEvent, columns: number): Cell[] {
  const nameWidth = Math.max(12, Math.floor((columns - 28) * 0.35));
  return [[clockText(event.timestamp), 10], [event.type, 18], [eventText(event, nameWidth)]];
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
    const cut = cutEnd(printable(given), width === undefined ? columns - widthOf(text) : width - 1);
    text += width === undefined ? cut : padEnd(cut, width);
  }
  return widthOf(text) <= columns ? text.trimEnd() : cutEnd(text, columns);
}
