/**
 * The live view as lines of text: as many as fit, none longer than the terminal is wide. Pure.
 */
import type { FleetEvent } from '../../events/names.js';
import type { Output } from '../output.js';
import { humanDuration } from '../text/human.js';
import { printable } from '../text/printable.js';
import { cutEnd, cutMiddle, padEnd, widthOf } from '../text/width.js';
import { clockText, eventText } from './event-text.js';
import { KEYS_HELP, type PagePart, PageView } from './page-view.js';
import type { FleetState, WorkerRow } from './state.js';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ScreenFacts {
  readonly app: string;
  readonly state: FleetState;
  readonly now: number;
  readonly colors: Pick<Output['colors'], 'bold' | 'dim' | 'red' | 'green' | 'yellow'>;
  readonly view?: PageView;
}

/** A cell: its text and its width in columns; the last cell of a line takes the rest. */
type Cell = readonly [text: string, width?: number];

/** A part of the page: its heading, and a line for each row. */
interface Part {
  readonly name: PagePart;
  readonly heading: readonly Cell[];
  readonly length: number;
  line(row: number): string;
  /** The last line, with the number of hidden rows above and below. */
  more(above: number, below: number): string;
  readonly none: string;
}

/** With fewer rows than this, the page omits the help line. */
const ROWS_FOR_HELP = 16;

/** Exactly the lines to show. */
export function renderScreen(facts: ScreenFacts, { columns, rows }: ScreenSize): string[] {
  const { state, now, colors, view = new PageView() } = facts;
  const silent = state.silentMs(now);
  const parts = partsOf(facts, columns);
  const [workers, running, failed, events] = parts;
  const help = rows >= ROWS_FOR_HELP;
  // Title, totals, and for each part an empty line and a heading; the last line stays free.
  const fixed = 2 + 1 + (help ? 1 : 0);
  const enlarged = view.enlarged ? parts.find(({ name }) => name === view.focus) : undefined;
  const shows = (part: Part, most: number) => partLines(part, most, view, columns, colors);
  const body =
    enlarged !== undefined
      ? shows(enlarged, Math.max(3, rows - fixed - 2))
      : split(
          [workers, running, failed, events],
          Math.max(3, rows - fixed - (failed.length > 0 ? 4 : 3) * 2),
        ).flatMap(([part, most], at) => [...(at === 0 ? [] : ['']), ...shows(part, most)]);
  const lines = [
    colors.bold(title(facts, columns)),
    fit([[totals(state, now)]], columns),
    silent === undefined
      ? ''
      : colors.yellow(fit([[`nothing heard for ${humanDuration(silent)}: is the broker away?`]], columns)),
    ...body,
  ].slice(0, rows - 1 - (help ? 1 : 0));
  if (!help) return lines;
  const space = Array.from({ length: rows - 2 - lines.length }, () => '');
  return [...lines, ...space, colors.dim(fit([[KEYS_HELP]], columns))];
}

/**
 * Divides the room: three tenths for workers, a little more for running tasks, a fifth for failures, the rest for
 * events.
 */
function split(
  [workers, running, failed, events]: readonly [Part, Part, Part, Part],
  room: number,
): (readonly [Part, number])[] {
  const share = ({ length }: Part, of: number) =>
    Math.min(Math.max(1, length), Math.max(1, Math.floor(room * of)));
  const forWorkers = share(workers, 0.3);
  const forRunning = share(running, 0.35);
  const forFailed = failed.length > 0 ? share(failed, 0.2) : 0;
  return [
    [workers, forWorkers],
    [running, forRunning],
    ...(forFailed === 0 ? [] : [[failed, forFailed] as const]),
    [events, Math.max(1, room - forWorkers - forRunning - forFailed)],
  ];
}

function partsOf({ state, now, colors }: ScreenFacts, columns: number): [Part, Part, Part, Part] {
  const workers = state.workers(now);
  const running = state.running(now);
  const failed = state.failed();
  const events = state.recent();
  // Fractions of the width, not of the content: columns must not move with every task.
  const nodeWidth = Math.min(56, Math.floor(columns * 0.4));
  const nameWidth = Math.min(60, Math.floor(columns * 0.33));
  const hostWidth = Math.min(44, Math.floor(columns * 0.28));
  const line = (...cells: Cell[]) => fit(cells, columns);
  const row =
    <R>(list: readonly R[], show: (item: R) => string) =>
    (at: number) => {
      const item = list[at];
      return item === undefined ? '' : show(item);
    };
  return [
    {
      name: 'workers',
      heading: [['WORKER', nodeWidth], ['RUNNING', 9], ['DONE', 9], ['LOAD', 6], ['QUEUES']],
      length: workers.length,
      line: row(workers, (worker) => workerLine(worker, nodeWidth, line, colors)),
      more: (above, below) => moreText(above, below) + goneText(workers.slice(workers.length - below)),
      none: 'none heard of yet',
    },
    {
      name: 'running',
      heading: [['RUNNING', nameWidth], ['FOR', 9], ['WORKER', hostWidth], ['STATE']],
      length: running.length,
      line: row(running, ({ name, since, node, state: own }) =>
        line(
          [cutMiddle(name, nameWidth - 1), nameWidth],
          [humanDuration(now - since), 9],
          [cutMiddle(node, hostWidth - 1), hostWidth],
          [own ?? ''],
        ),
      ),
      more: moreText,
      none: noneRunning(state.runningCount(now)),
    },
    {
      name: 'failed',
      heading: [['FAILED', 10], ['TASK', nameWidth], ['ERROR']],
      length: failed.length,
      line: row(failed, ({ at, name, exception }) =>
        colors.red(line([clockText(at), 10], [cutMiddle(name, nameWidth - 1), nameWidth], [exception])),
      ),
      more: moreText,
      none: 'nothing',
    },
    {
      name: 'events',
      heading: [['TIME', 10], ['EVENT', 18], ['']],
      length: events.length,
      line: row(events, (event) => tint(event, line(...eventCells(event, columns)), colors)),
      more: moreText,
      none: '',
    },
  ];
}

/** Running tasks without a known name: they started before the page opened, and their worker has not answered. */
function noneRunning(count: number): string {
  return count === 0 ? 'nothing' : `${count} that began before this page was opened`;
}

function partLines(
  part: Part,
  most: number,
  view: PageView,
  columns: number,
  colors: ScreenFacts['colors'],
): string[] {
  const focused = view.focus === part.name;
  const heading = fit([...part.heading], columns);
  const head = focused ? colors.bold(heading) : colors.dim(heading);
  if (part.length === 0) return [head, colors.dim(fit([[part.none]], columns))];
  const rowsOf = (from: number, count: number) =>
    Array.from({ length: Math.min(count, part.length - from) }, (_, at) => part.line(from + at));
  if (part.length <= most) return [head, ...rowsOf(view.from(part.name, part.length, most), most)];
  // The list of events is unbounded: it shows its position only while it has the focus.
  const says = most > 1 && (part.name !== 'events' || focused || view.enlarged);
  const shown = says ? most - 1 : most;
  const from = view.from(part.name, part.length, shown);
  const rest = part.more(from, part.length - from - shown);
  return [head, ...rowsOf(from, shown), ...(says ? [colors.dim(fit([[rest]], columns))] : [])];
}

function moreText(above: number, below: number): string {
  if (above === 0) return `… ${below} more`;
  return below === 0 ? `… ${above} above` : `… ${above} above, ${below} below`;
}

/** The app and the size of its fleet on the left, the time on the right; a long name is cut. */
function title({ app, state, now }: ScreenFacts, columns: number): string {
  const living = state.workers(now).filter(({ gone }) => !gone).length;
  const size = ` · ${living} ${living === 1 ? 'worker' : 'workers'} · ${state.runningCount(now)} running`;
  const head = 'celeriac events · ';
  const clock = clockText(now);
  const name = cutMiddle(printable(app), Math.max(8, columns - head.length - size.length - clock.length - 1));
  const left = cutEnd(head + name + size, columns - clock.length - 1);
  return padEnd(left, columns - clock.length) + clock;
}

/** Fits 80 columns with any figures. */
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

/** Vanished workers are listed last, where the page may cut them off, so their number is always shown. */
function goneText(hidden: readonly WorkerRow[]): string {
  const gone = hidden.filter((row) => row.gone).length;
  return gone === 0 ? '' : `, ${gone} gone`;
}

function workerLine(
  { node, active, concurrency, processed, load, queues, gone }: WorkerRow,
  width: number,
  line: (...cells: Cell[]) => string,
  colors: ScreenFacts['colors'],
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

function tint({ type }: FleetEvent, text: string, colors: ScreenFacts['colors']): string {
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
