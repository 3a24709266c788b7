/**
 * How many jobs of queues are in which state. Few are counted by one statement for several queues. Many ended ones are
 * counted slice by slice along BullMQ's index of them, so that no statement keeps the server busy for long.
 */
import type { QueueSizes } from '../queue-admin.js';
import type { PgQuery, PgRow } from './wire.js';

type EndedState = 'completed' | 'failed';

/** Queues of one statement. */
const TOGETHER = 25;
/** Ended jobs of a queue and state that are counted with the others. */
const FEW = 2_000;
/** The most rows of one slice: some milliseconds. */
const SLICE = 16_000;

// The orders are those of BullMQ's partial indexes: without them a statement may read the whole table for a few rows.
const SIZES = `
SELECT r.n, ${live('waiting')}, ${live('active')}, ${live('delayed')}, ${live('waiting-children', 'blocked')},
       ${few('failed', 'failed')}, ${few('completed', 'finished')},
       EXISTS (SELECT 1 FROM meta m WHERE m.queue = r.queue AND m.field = 'paused' AND m.value = '1') AS paused
  FROM unnest($1::text[]) WITH ORDINALITY AS r(queue, n)
 ORDER BY r.n`;

function live(state: string, name = state): string {
  return `(SELECT count(*) FROM job j WHERE j.queue = r.queue AND j.state = '${state}') AS ${name}`;
}

function few(state: EndedState, name: string): string {
  return `(SELECT count(*) FROM (
    SELECT 1 FROM job j WHERE j.queue = r.queue AND j.state = '${state}' ORDER BY j.finished_at_ms LIMIT ${FEW}) f) AS ${name}`;
}

/** The sizes, in order. */
export async function readSizes(query: PgQuery, queues: readonly string[]): Promise<QueueSizes[]> {
  const sizes: QueueSizes[] = [];
  for (let from = 0; from < queues.length; from += TOGETHER) {
    const some = queues.slice(from, from + TOGETHER);
    const { rows } = await query(SIZES, [some]);
    for (const [i, row] of rows.entries()) sizes.push(await sizesOf(query, some[i] ?? '', row));
  }
  return sizes;
}

async function sizesOf(query: PgQuery, queue: string, row: PgRow): Promise<QueueSizes> {
  const ended = async (state: EndedState, counted: number) =>
    counted < FEW ? counted : countEnded(query, queue, state);
  return {
    waiting: Number(row.waiting),
    active: Number(row.active),
    delayed: Number(row.delayed),
    waitingChildren: Number(row.blocked),
    failed: await ended('failed', Number(row.failed)),
    finished: await ended('completed', Number(row.finished)),
    paused: row.paused === true,
  };
}

/**
 * The ended jobs of a queue in one state, slice by slice.
 * @param most rows of a slice; it takes more only where more ended in the same millisecond
 */
export async function countEnded(
  query: PgQuery,
  queue: string,
  state: EndedState,
  most = SLICE,
): Promise<number> {
  let total = 0;
  let from = Number.MIN_SAFE_INTEGER;
  for (let limit = most; ; ) {
    const { rows } = await query(sliceOf(state), [queue, from, limit]);
    const [row] = rows;
    const found = Number(row?.found ?? 0);
    if (row === undefined || found < limit) return total + found;
    const last = Number(row.last);
    // Those of the last millisecond may go on in the next slice, which begins with them.
    total += Number(row.earlier);
    limit = last > from ? most : limit * 2;
    from = last;
  }
}

// The state is part of the text: as a parameter it would hide from the planner that the partial index serves.
function sliceOf(state: EndedState): string {
  return `
WITH slice AS MATERIALIZED (
  SELECT finished_at_ms AS at FROM job
   WHERE queue = $1 AND state = '${state}' AND finished_at_ms >= $2::bigint
   ORDER BY finished_at_ms LIMIT $3)
SELECT count(*) AS found, count(*) FILTER (WHERE at < last) AS earlier, max(last) AS last
  FROM slice, (SELECT max(at) AS last FROM slice) AS m`;
}
