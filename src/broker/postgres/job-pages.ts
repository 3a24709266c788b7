/**
 * Pages of the jobs of queues (see `job-pages`) from PostgreSQL: keyset pages, each along an index of BullMQ's. Marks are
 * the two values that order a set.
 */
import {
  ENDED_SETS,
  endedMark,
  type JobSet,
  type PageAsked,
  type PlacedJob,
  placeOfMark,
} from '../job-pages.js';
import type { PgQuery } from './wire.js';

interface Order {
  readonly where: string;
  /** The columns of the order; the second one is text for ended jobs and a number for others. */
  readonly by: readonly [string, string];
}

const ORDERS: ReadonlyMap<JobSet, Order> = new Map<JobSet, Order>([
  ['active', { where: "state = 'active'", by: ['coalesce(processed_at_ms, 0)', 'seq'] }],
  ['waiting', { where: "state = 'waiting' AND priority = 0", by: ['priority', 'seq'] }],
  ['prioritized', { where: "state = 'waiting' AND priority > 0", by: ['priority', 'seq'] }],
  ['delayed', { where: "state = 'delayed'", by: ['process_at_ms', 'seq'] }],
  ['waiting-children', { where: "state = 'waiting-children'", by: ['0', 'seq'] }],
  ['completed', { where: "state = 'completed'", by: ['finished_at_ms', 'id COLLATE "C"'] }],
  ['failed', { where: "state = 'failed'", by: ['finished_at_ms', 'id COLLATE "C"'] }],
]);

/** Before the first job, in either order. */
const BEYOND = { newest: '9223372036854775807', oldest: '-9223372036854775808' };
/** No job id begins with it. */
const LAST_TEXT = '\u{10ffff}';

/** The pages, in order: one statement for each set, one after another, so that they share a connection. */
export async function readPages(query: PgQuery, asked: readonly PageAsked[]): Promise<PlacedJob[][]> {
  const pages: PlacedJob[][] = asked.map(() => []);
  const alike = new Map<string, number[]>();
  asked.forEach(({ set, newest, limit }, at) => {
    const kind = `${set} ${newest} ${limit}`;
    alike.set(kind, [...(alike.get(kind) ?? []), at]);
  });
  for (const places of alike.values()) {
    const some = places.flatMap((at) => asked[at] ?? []);
    const [first] = some;
    if (first === undefined) continue;
    const marks = some.map(markOf);
    const { rows } = await query(statement(first), [
      some.map(({ queue }) => queue),
      marks.map(([a]) => a),
      marks.map(([, b]) => b),
      first.limit,
    ]);
    for (const row of rows) {
      const [id, a, b] = [String(row.id), String(row.a), String(row.b)];
      const mark = ENDED_SETS.includes(first.set) ? endedMark(Number(a), id) : `${a}:${b}`;
      pages[places[Number(row.n) - 1] ?? -1]?.push({ id, mark });
    }
  }
  return pages;
}

function statement({ set, newest }: PageAsked): string {
  const { where, by } = ORDERS.get(set) ?? { where: 'false', by: ['0', 'seq'] };
  const [a, b] = by;
  const second = ENDED_SETS.includes(set) ? 'text' : 'bigint';
  const [below, way] = newest ? ['<', 'DESC'] : ['>', 'ASC'];
  // The first comparison is for the index, which has no second column.
  return `
SELECT r.n, p.id, p.a, p.b
  FROM unnest($1::text[], $2::bigint[], $3::${second}[]) WITH ORDINALITY AS r(queue, a, b, n)
 CROSS JOIN LATERAL (
   SELECT id, ${a} AS a, ${b} AS b FROM job
    WHERE queue = r.queue AND ${where} AND ${a} ${below}= r.a AND (${a}, ${b}) ${below} (r.a, r.b)
    ORDER BY ${order(set, by)
      .map((column) => `${column} ${way}`)
      .join(', ')} LIMIT $4) p
 ORDER BY r.n, p.a ${way}, p.b ${way}`;
}

/** Constants are left out: they are no columns of the index. */
function order(set: JobSet, [a, b]: Order['by']): readonly string[] {
  return set === 'waiting' || set === 'waiting-children' ? [b] : [a, b];
}

function markOf({ set, newest, after }: PageAsked): readonly [string, string] {
  const beyond = newest ? BEYOND.newest : BEYOND.oldest;
  if (!ENDED_SETS.includes(set)) {
    const [a = '', b = ''] = after?.split(':') ?? [];
    return after === undefined ? [beyond, beyond] : [a, b];
  }
  if (after === undefined) return [beyond, newest ? LAST_TEXT : ''];
  const { at, id } = placeOfMark(after);
  return [`${at}`, id];
}
