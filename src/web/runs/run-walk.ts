/**
 * Goes through the tasks of queues in one order, page by page, however many there are: the sets where the broker keeps
 * them are merged, by when a task ended, else when it started, else when it was sent. What is read is bounded; the answer
 * says how much was looked at, and where to go on.
 *
 * Ended tasks come in exact order. Others come in the order in which the broker keeps them, which is by time but for
 * priorities and delays.
 */
import type { Engine, StoredJob } from '../../broker/broker.js';
import {
  ENDED_SETS,
  endedMark,
  JOB_SETS,
  type JobSet,
  type PlacedJob,
  placeOfMark,
} from '../../broker/job-pages.js';
import type { TaskRecord } from '../../coordination/task-record.js';
import type { EndedPlace, RunCursor } from './run-cursor.js';

export interface WalkParams {
  readonly queues: Pick<Engine['queues'], 'pages' | 'rows'>;
  /** Adds to jobs what else makes them tasks. */
  readonly tasks: { ofJobs(jobs: readonly StoredJob[]): Promise<TaskRecord[]> };
  /** Names in the broker, lanes included. */
  readonly names: readonly string[];
  readonly sets: readonly JobSet[];
  readonly cursor: RunCursor;
  /** Tasks that ended before this moment are not looked at, epoch ms; with the latest first, the walk ends there. */
  readonly endedAfter: number | undefined;
}

/** A task on the walk. */
export interface Walked {
  readonly task: TaskRecord;
}

interface Source {
  readonly queue: string;
  readonly set: JobSet;
  readonly ended: boolean;
  /** The mark of the last one that was asked for. */
  asked: string | undefined;
  /** How many to ask for next. */
  batch: number;
  /** Nothing is left to ask for. */
  dry: boolean;
  readonly buffer: Item[];
}

interface Item extends PlacedJob {
  readonly source: Source;
  /** The moment by which sources are merged, epoch ms. */
  readonly at: number;
  /** Read already, to know when it was. */
  readonly row: StoredJob | undefined;
}

/** Most jobs of a source that are asked for in one go. */
const LARGEST_BATCH = 200;
/** With more sources than this, few of each are asked for at first. */
const MANY_SOURCES = 20;

export class RunWalk {
  readonly #sources: readonly Source[];
  readonly #living: Map<string, string>;
  #ended: EndedPlace | undefined;
  readonly #way: 1 | -1;

  constructor(private readonly params: WalkParams) {
    const { cursor, names, sets } = params;
    this.#way = cursor.newest ? 1 : -1;
    this.#ended = cursor.ended;
    this.#living = new Map(cursor.living);
    const all = [...names]
      .sort()
      .flatMap((queue) => JOB_SETS.filter((set) => sets.includes(set)).map((set) => ({ queue, set })));
    const batch = all.length > MANY_SOURCES ? 5 : 50;
    this.#sources = all.map(({ queue, set }) => {
      const ended = ENDED_SETS.includes(set);
      const asked = ended ? this.#endedMark(queue, set) : this.#living.get(keyOf(queue, set));
      return { queue, set, ended, asked, batch, dry: false, buffer: [] };
    });
  }

  /** Where the next page begins: behind all that were taken. */
  get cursor(): RunCursor {
    return { newest: this.params.cursor.newest, ended: this.#ended, living: this.#living };
  }

  /**
   * The next tasks, in order. Each is passed when `take` was called with it; the rest is read again by whoever goes on.
   * Jobs that have gone since are passed silently.
   * @returns how many were looked at, and whether there was nothing more
   */
  async next(most: number, take: (task: TaskRecord) => boolean): Promise<{ looked: number; over: boolean }> {
    const items = await this.#merge(most);
    const rows = await this.#rows(items);
    const there = rows.filter((row) => row !== undefined);
    const tasks = (await this.params.tasks.ofJobs(there)).values();
    let looked = 0;
    for (const [i, item] of items.entries()) {
      this.#pass(item);
      looked++;
      const task = rows[i] === undefined ? undefined : tasks.next().value;
      if (task !== undefined && !take(task)) return { looked, over: false };
    }
    return { looked, over: items.length < most };
  }

  async #rows(items: readonly Item[]): Promise<(StoredJob | undefined)[]> {
    const unread = items.filter(({ row }) => row === undefined);
    const refs = unread.map(({ source, id }) => ({ queue: source.queue, id }));
    const read = (unread.length === 0 ? [] : await this.params.queues.rows(refs)).values();
    return items.map(({ row }) => row ?? read.next().value);
  }

  async #merge(most: number): Promise<Item[]> {
    const items: Item[] = [];
    while (items.length < most) {
      await this.#fill();
      const first = this.#first();
      const item = first?.buffer.shift();
      if (item === undefined || this.#isPast(item)) break;
      items.push(item);
    }
    return items;
  }

  #first(): Source | undefined {
    let first: Source | undefined;
    for (const source of this.#sources) {
      const [head] = source.buffer;
      if (head === undefined) continue;
      if (first === undefined || (head.at - (first.buffer[0]?.at ?? 0)) * this.#way > 0) first = source;
    }
    return first;
  }

  #isPast({ at, source }: Item): boolean {
    const { endedAfter, cursor } = this.params;
    return cursor.newest && source.ended && endedAfter !== undefined && at < endedAfter;
  }

  /** Asks for more of every source that has none left, in one round trip or two. */
  async #fill(): Promise<void> {
    for (;;) {
      const empty = this.#sources.filter(({ buffer, dry }) => buffer.length === 0 && !dry);
      if (empty.length === 0) return;
      const { newest } = this.params.cursor;
      const asked = empty.map(({ queue, set, asked: after, batch: limit }) => ({
        queue,
        set,
        newest,
        after,
        limit,
      }));
      const pages = await this.params.queues.pages(asked);
      const living: { source: Source; placed: PlacedJob }[] = [];
      empty.forEach((source, i) => {
        const page = pages[i] ?? [];
        // A page may be shorter than asked for where entries are no jobs.
        source.dry = page.length === 0;
        source.asked = page.at(-1)?.mark ?? source.asked;
        source.batch = Math.min(2 * source.batch, LARGEST_BATCH);
        for (const placed of page)
          if (source.ended)
            source.buffer.push({ ...placed, source, at: placeOfMark(placed.mark).at, row: undefined });
          else living.push({ source, placed });
      });
      if (living.length > 0) await this.#readLiving(living);
    }
  }

  async #readLiving(living: readonly { source: Source; placed: PlacedJob }[]): Promise<void> {
    const refs = living.map(({ source, placed }) => ({ queue: source.queue, id: placed.id }));
    const rows = await this.params.queues.rows(refs);
    living.forEach(({ source, placed }, i) => {
      const row = rows[i];
      if (row === undefined) return;
      const at = source.set === 'active' ? (row.startedAt ?? row.sentAt) : row.sentAt;
      source.buffer.push({ ...placed, source, at, row });
    });
  }

  #pass({ source, id, mark, at }: Item): void {
    if (source.ended) this.#ended = { at, queue: source.queue, set: source.set, id };
    else this.#living.set(keyOf(source.queue, source.set), mark);
  }

  /** Where a set of ended tasks goes on, by the place of the last one in all of them. */
  #endedMark(queue: string, set: JobSet): string | undefined {
    const last = this.#ended;
    if (last === undefined) return undefined;
    const order = compare(queue, last.queue) || JOB_SETS.indexOf(set) - JOB_SETS.indexOf(last.set);
    if (order === 0) return endedMark(last.at, last.id);
    // Of two that ended at one moment, the one of the earlier source came first.
    const passed = order < 0;
    return endedMark(last.at + (passed === this.params.cursor.newest ? 0 : 1));
  }
}

function keyOf(queue: string, set: JobSet): string {
  return `${queue}\0${set}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
