/**
 * The parts of the live page: workers, running tasks, failures, events. Each gives the line of a row, and what is
 * selected with it. Pure.
 */
import type { FleetEvent } from '../../events/names.js';
import type { Output } from '../output.js';
import { humanDuration } from '../text/human.js';
import { cutMiddle } from '../text/width.js';
import { clockText, eventText } from './event-text.js';
import { type Cell, compact, fit } from './lines.js';
import type { PagePart } from './page-view.js';
import type { FleetState, WorkerRow } from './state.js';
import type { Target } from './target.js';

/** What the parts show, and how. */
export interface PartFacts {
  readonly state: FleetState;
  readonly now: number;
  readonly colors: Pick<Output['colors'], 'bold' | 'dim' | 'red' | 'green' | 'yellow'>;
}

/** A part of the page: its heading, and a line for each row. */
export interface Part {
  readonly name: PagePart;
  readonly heading: readonly Cell[];
  readonly length: number;
  /** A row's line without colors, and the function that colors it. */
  line(row: number): { readonly text: string; paint(text: string): string };
  /** Identifies the row's content wherever the row moves. */
  key(row: number): string;
  target(row: number): Target | undefined;
  /** The last line, with the number of hidden rows above and below. */
  more(above: number, below: number): string;
  readonly none: string;
}

/** The parts, from the top of the page. */
export function partsOf(facts: PartFacts, columns: number): [Part, Part, Part, Part] {
  // Fractions of the width, not of the content: columns must not move with every task.
  const widths: Widths = {
    columns,
    node: Math.min(56, Math.floor(columns * 0.4)),
    name: Math.min(60, Math.floor(columns * 0.33)),
    host: Math.min(44, Math.floor(columns * 0.28)),
  };
  return [
    workersPart(facts, widths),
    runningPart(facts, widths),
    failedPart(facts, widths),
    eventsPart(facts, widths),
  ];
}

interface Widths {
  readonly columns: number;
  readonly node: number;
  readonly name: number;
  readonly host: number;
}

type Paint = (text: string) => string;

/** A part over a list of rows. */
function partOver<R>(
  rows: readonly R[],
  {
    show,
    paint = () => same,
    key,
    target,
    ...rest
  }: Omit<Part, 'length' | 'line' | 'key' | 'target'> & {
    show(row: R): string;
    paint?(row: R): Paint;
    key(row: R): string;
    target(row: R): Target | undefined;
  },
): Part {
  const at = <T>(index: number, of: (row: R) => T, none: T): T => {
    const row = rows[index];
    return row === undefined ? none : of(row);
  };
  return {
    ...rest,
    length: rows.length,
    line: (index) => at(index, (row) => ({ text: show(row), paint: paint(row) }), { text: '', paint: same }),
    key: (index) => at(index, key, ''),
    target: (index) => at<Target | undefined>(index, target, undefined),
  };
}

function workersPart({ state, now, colors }: PartFacts, { columns, node: width }: Widths): Part {
  const workers = state.workers(now);
  return partOver(workers, {
    name: 'workers',
    heading: [['WORKER', width], ['RUNNING', 9], ['DONE', 9], ['LOAD', 6], ['QUEUES']],
    show: (worker) => fit(workerCells(worker, width), columns),
    paint: ({ gone }) => (gone ? colors.dim : same),
    key: ({ node }) => node,
    target: ({ node }) => ({ kind: 'worker', node }),
    more: (above, below) => moreText(above, below) + goneText(workers.slice(workers.length - below)),
    none: 'none heard of yet',
  });
}

function runningPart({ state, now }: PartFacts, { columns, name: nameWidth, host }: Widths): Part {
  return partOver(state.running(now), {
    name: 'running',
    heading: [['RUNNING', nameWidth], ['FOR', 9], ['WORKER', host], ['STATE']],
    show: ({ name, since, node, state: own }) => {
      const cells: Cell[] = [
        [cutMiddle(name, nameWidth - 1), nameWidth],
        [humanDuration(now - since), 9],
        [cutMiddle(node, host - 1), host],
        [own ?? ''],
      ];
      return fit(cells, columns);
    },
    key: ({ id }) => id,
    target: ({ id, name }) => ({ kind: 'task', id, name }),
    more: moreText,
    none: noneRunning(state.runningCount(now)),
  });
}

function failedPart({ state, colors }: PartFacts, { columns, name: width }: Widths): Part {
  return partOver(state.failed(), {
    name: 'failed',
    heading: [['FAILED', 10], ['TASK', width], ['ERROR']],
    show: ({ at, name, exception }) =>
      fit([[clockText(at), 10], [cutMiddle(name, width - 1), width], [exception]], columns),
    paint: () => colors.red,
    key: ({ id, at }) => `${id} ${at}`,
    target: ({ id, name }) => ({ kind: 'task', id, name }),
    more: moreText,
    none: 'nothing',
  });
}

function eventsPart({ state, colors }: PartFacts, { columns }: Widths): Part {
  return partOver(state.recent(), {
    name: 'events',
    heading: [['TIME', 10], ['EVENT', 18], ['']],
    show: (event) => fit(eventCells(event, columns), columns),
    paint: (event) => tintOf(event, colors),
    key: eventKey,
    target: targetOf,
    more: moreText,
    none: '',
  });
}

/** Running tasks without a known name: they started before the page opened, and their worker has not answered. */
function noneRunning(count: number): string {
  return count === 0 ? 'nothing' : `${count} that began before this page was opened`;
}

function moreText(above: number, below: number): string {
  if (above === 0) return `… ${below} more`;
  return below === 0 ? `… ${above} above` : `… ${above} above, ${below} below`;
}

/** Vanished workers are listed last, where the page may cut them off, so their number is always shown. */
function goneText(hidden: readonly WorkerRow[]): string {
  const gone = hidden.filter((row) => row.gone).length;
  return gone === 0 ? '' : `, ${gone} gone`;
}

function workerCells(worker: WorkerRow, width: number): Cell[] {
  const { node, active, concurrency, processed, load, queues, gone } = worker;
  return [
    [cutMiddle(node, width - 1), width],
    [gone ? 'gone' : `${active}/${concurrency}`, 9],
    [compact(processed), 9],
    [gone ? '' : load.toFixed(1), 6],
    [queues.join(' ')],
  ];
}

function eventCells(event: FleetEvent, columns: number): Cell[] {
  const nameWidth = Math.max(12, Math.floor((columns - 28) * 0.35));
  return [[clockText(event.timestamp), 10], [event.type, 18], [eventText(event, nameWidth)]];
}

function eventKey(event: FleetEvent): string {
  const whose = 'id' in event ? event.id : 'node' in event ? event.node : '';
  return `${event.timestamp} ${event.type} ${whose}`;
}

/** A task's event stands for the task, a worker's for the worker. */
function targetOf(event: FleetEvent): Target | undefined {
  if ('id' in event) return { kind: 'task', id: event.id, name: event.name };
  return 'node' in event ? { kind: 'worker', node: event.node } : undefined;
}

function tintOf({ type }: FleetEvent, colors: PartFacts['colors']): Paint {
  if (type === 'task-failed' || type === 'events-lost') return colors.red;
  if (type === 'task-succeeded') return colors.green;
  if (type === 'task-retried' || type === 'task-revoked' || type === 'task-rejected') return colors.yellow;
  return same;
}

function same(text: string): string {
  return text;
}
