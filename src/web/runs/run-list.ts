/** `GET runs`: tasks by a filter, a page at a time, with bounded work for each. */
import { JOB_SETS, type JobSet } from '../../broker/job-pages.js';
import { keepAliveDuring } from '../../broker/keep-alive.js';
import type { TaskRecord } from '../../coordination/task-record.js';
import { isLane, queueOfLane } from '../../protocol/lanes.js';
import { type Message, readMessage } from '../../protocol/message.js';
import { InflationBudget, isCompressed } from '../../tasks/compression.js';
import { plainArgs } from '../../tasks/serializer.js';
import { shownInstead } from '../../tasks/shown-arguments.js';
import type { Run, RunList } from '../api.js';
import { Refusal } from '../http/refusal.js';
import { type ApiCall, runContext, type WebContext } from '../web-context.js';
import { readCursor, writeCursor } from './run-cursor.js';
import { filterOfQuery, matches, type ReadFilter, setsOf } from './run-filter.js';
import { type RunContext, runOf, sealOf } from './run-view.js';
import { RunWalk } from './run-walk.js';

/** What is asked for. */
export interface ListAsked {
  readonly filter: ReadFilter;
  readonly newest: boolean;
  readonly limit: number;
  readonly cursor: string | undefined;
  /** Where to look, instead of where tasks in the states of the filter may be. */
  readonly sets?: readonly JobSet[];
}

/** A task that was found. */
export interface FoundRun {
  readonly run: Run;
  readonly task: TaskRecord;
  readonly message: Message;
}

export interface FoundRuns {
  readonly found: readonly FoundRun[];
  readonly next: string | null;
  readonly looked: number;
  readonly complete: boolean;
}

/** Most tasks read for one answer, and the time after which it is given with what there is, ms. */
const MOST_LOOKED = 2_000;
const LONGEST_MS = 200;
/** Tasks read in one go. */
const STEP = 200;
const MOST_SHOWN = 200;

/** The handler. */
export async function listRuns({ context, query }: ApiCall): Promise<RunList> {
  const sort = query.get('sort') ?? 'newest';
  if (sort !== 'newest' && sort !== 'oldest')
    throw new Refusal(400, 'BAD_QUERY', 'sort must be newest or oldest.');
  const { found, ...rest } = await findRuns(context, {
    filter: filterOfQuery(query),
    newest: sort === 'newest',
    limit: countIn(query, 'limit', 50, 1, MOST_SHOWN),
    cursor: query.get('cursor') ?? undefined,
  });
  return { runs: found.map(({ run }) => run), ...rest };
}

/** A whole number in a query. @throws {Refusal} */
export function countIn(
  query: URLSearchParams,
  name: string,
  usual: number,
  least: number,
  most: number,
): number {
  const text = query.get(name);
  if (text === null || text === '') return usual;
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= least && count <= most) return count;
  throw new Refusal(400, 'BAD_QUERY', `${name} must be a whole number from ${least} to ${most}.`);
}

/** Finds a page of tasks. */
export function findRuns(context: WebContext, asked: ListAsked): Promise<FoundRuns> {
  return keepAliveDuring(context.parts.engine, () => find(context, asked));
}

async function find(context: WebContext, asked: ListAsked): Promise<FoundRuns> {
  const { filter, newest, limit } = asked;
  const show = await runContext(context);
  const one = await wholeId(context, filter, show);
  if (one !== undefined) return { found: [one], next: null, looked: 1, complete: true };
  const { engine, tasks } = context.parts;
  const walk = new RunWalk({
    queues: engine.queues,
    tasks,
    names: await namesOf(context, filter.queue),
    sets: asked.sets ?? setsOf(filter.states) ?? JOB_SETS,
    cursor:
      asked.cursor === undefined
        ? { newest, ended: undefined, living: new Map() }
        : readCursor(asked.cursor, newest),
    endedAfter: filter.after,
  });
  const found = new Map<string, FoundRun>();
  const giveUpAt = performance.now() + LONGEST_MS;
  let looked = 0;
  let over = false;
  while (
    !over &&
    found.size < limit &&
    looked < MOST_LOOKED &&
    (looked === 0 || performance.now() < giveUpAt)
  ) {
    // With a filter most may be left out.
    const most = looked === 0 ? limit : Math.min(STEP, MOST_LOOKED - looked);
    const step = await walk.next(most, (task) => {
      const seen = foundRun(task, show);
      if (matches(seen.run, filter, () => searchable(seen, show))) found.set(seen.run.id, seen);
      return found.size < limit;
    });
    looked += step.looked;
    over = step.over;
  }
  const complete = over && found.size < limit;
  return {
    found: [...found.values()],
    next: complete ? null : writeCursor(walk.cursor),
    looked,
    complete,
  };
}

export function foundRun(task: TaskRecord, show: RunContext): FoundRun {
  const message = readMessage(task.data);
  return { run: runOf(task, message, show), task, message };
}

/** A task that has just this id: most who filter by one have pasted it. */
async function wholeId(
  { parts }: WebContext,
  filter: ReadFilter,
  show: RunContext,
): Promise<FoundRun | undefined> {
  if (filter.id === undefined) return undefined;
  const ref = await parts.index.locate(filter.id);
  const [task] = ref === undefined ? [] : await parts.tasks.read([ref]);
  if (task === undefined) return undefined;
  const seen = foundRun(task, show);
  return matches(seen.run, filter, () => searchable(seen, show)) ? seen : undefined;
}

/** What compressed arguments of a task may hold to be looked through, an eighth of it, bytes. */
const MOST_SEARCHED = 16_384;

/** The text that a filter looks through; long arguments are not there. */
function searchable({ task, message }: FoundRun, show: RunContext): string {
  if (sealOf(show, task.name, message) !== undefined) return '';
  const { args } = message;
  const given =
    shownInstead(message, show.taskOf?.(task.name)) ??
    (isCompressed(args) ? plainArgs(args, new InflationBudget(MOST_SEARCHED)) : args);
  return JSON.stringify(given ?? []);
}

/** The broker's names of a queue, or of all of them, lanes included. */
async function namesOf({ parts }: WebContext, queue: string | undefined): Promise<string[]> {
  const known = (await parts.engine.queues.known()).map(({ name }) => name);
  if (queue === undefined) return known;
  return [queue, ...known.filter((name) => isLane(name) && queueOfLane(name) === queue)];
}
