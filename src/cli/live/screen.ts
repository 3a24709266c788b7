/**
 * The live view as lines of text: as many as fit, none longer than the terminal is wide. Pure.
 */
import type { Output } from '../output.js';
import { humanDuration } from '../text/human.js';
import { printable } from '../text/printable.js';
import { cutEnd, cutMiddle, padEnd } from '../text/width.js';
import { clockText } from './event-text.js';
import { compact, fit } from './lines.js';
import { PageView } from './page-view.js';
import { type Part, type PartFacts, partsOf } from './parts.js';
import type { FleetState } from './state.js';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ScreenFacts extends PartFacts {
  readonly app: string;
  /** What the title begins with. Default: `celeriac events`. */
  readonly title?: string;
  readonly colors: PartFacts['colors'] & Partial<Pick<Inverse, 'inverse'>>;
  readonly view?: PageView;
  /** The last line: help on keys, a question, what came of an action. */
  readonly bottom?: string;
}

/** Marks the selected row. */
interface Inverse extends Pick<Output['colors'], 'bold'> {
  inverse(text: string): string;
}

/** With fewer rows than this, the page omits its last line. */
const ROWS_FOR_BOTTOM = 16;

/** Exactly the lines to show. */
export function renderScreen(facts: ScreenFacts, { columns, rows }: ScreenSize): string[] {
  const { state, now, colors, view = new PageView(), bottom = '' } = facts;
  const silent = state.silentMs(now);
  const parts = partsOf(facts, columns);
  const [workers, running, failed, events] = parts;
  view.hidden = failed.length === 0 ? 'failed' : undefined;
  const hasBottom = rows >= ROWS_FOR_BOTTOM;
  // Title, totals, and for each part an empty line and a heading; the last line stays free.
  const fixed = 2 + 1 + (hasBottom ? 1 : 0);
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
  ].slice(0, rows - 1 - (hasBottom ? 1 : 0));
  return hasBottom ? withBottom(lines, rows, fit([[bottom]], columns), colors) : lines;
}

/** Workers and running tasks, all of them: a picture for a pipe. */
export function renderFleet(facts: ScreenFacts, columns: number): string[] {
  const { state, now } = facts;
  const [workers, running] = partsOf(facts, columns);
  const whole = (part: Part) => [
    fit([...part.heading], columns),
    ...(part.length === 0 ? [fit([[part.none]], columns)] : []),
    ...Array.from({ length: part.length }, (_, row) => part.line(row).text),
  ];
  return [
    title(facts, columns),
    '',
    ...whole(workers),
    '',
    ...whole(running),
    ...tooMany(state, now, running),
  ];
}

/** Running tasks beyond those the state keeps. */
function tooMany(state: FleetState, now: number, { length }: Part): string[] {
  const more = state.runningCount(now) - length;
  return length > 0 && more > 0 ? [`… ${more} more`] : [];
}

/** Places a line at the bottom of a page of so many rows, whose last stays free. */
export function withBottom(
  lines: readonly string[],
  rows: number,
  bottom: string,
  colors: Pick<ScreenFacts['colors'], 'dim'>,
): string[] {
  const space = Array.from({ length: Math.max(0, rows - 2 - lines.length) }, () => '');
  return [...lines, ...space, colors.dim(bottom)];
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
  if (part.length === 0) {
    view.place(part, 1);
    return [head, colors.dim(fit([[part.none]], columns))];
  }
  // The list of events is unbounded: it shows its position only while it has the focus.
  const overflows = part.length > most;
  const says = overflows && most > 1 && (part.name !== 'events' || focused || view.enlarged);
  const shown = says ? most - 1 : most;
  const { from, selected } = view.place(part, shown);
  const rows = Array.from({ length: Math.min(shown, part.length - from) }, (_, at) => {
    const { text, paint } = part.line(from + at);
    const marked = focused && from + at === selected && colors.inverse !== undefined;
    return marked ? (colors.inverse?.(padEnd(text, columns)) ?? text) : paint(text);
  });
  const rest = part.more(from, part.length - from - shown);
  return [head, ...rows, ...(says ? [colors.dim(fit([[rest]], columns))] : [])];
}

/** The app and the size of its fleet on the left, the time on the right; a long name is cut. */
function title({ app, title: begin = 'celeriac events', state, now }: ScreenFacts, columns: number): string {
  const living = state.workers(now).filter(({ gone }) => !gone).length;
  const size = ` · ${living} ${living === 1 ? 'worker' : 'workers'} · ${state.runningCount(now)} running`;
  const head = `${begin} · `;
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
