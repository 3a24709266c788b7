/**
 * How many tasks sleep or wait for a value, over the whole fleet. Counting costs the broker a look at each of them, so one
 * process counts for all, and the longer it took, the longer the count is kept. Before the first count, and where nothing
 * has ever waited, that is a few small commands.
 */
import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { queueOfLane } from '../protocol/lanes.js';
import { after } from '../timers.js';

/** The tasks that sleep or wait, by queue; queues without any are absent. */
export type WaitingCounts = Readonly<Record<string, number>>;

/** The record of a count. */
interface Kept {
  /** When to count again, epoch ms by the broker's clock; while a process counts, when another one may. */
  readonly until: number;
  /** Absent while the first count is under way. */
  readonly counts?: WaitingCounts;
}

const KEY = 'waiting-count';
/** A count holds for so long, ms, */
const FRESH_MS = 3_000;
/** or for so many times as long as it took. */
const SHARE = 50;
/** A process that has not counted within this time has died, ms. */
const LEASE_MS = 60_000;
/** How long the record of a count that nobody asks for is kept, ms. */
const KEPT_MS = 3_600_000;

/**
 * The count that holds, or a new one.
 * @param patienceMs when a new count takes longer, it goes on, and the last one is given
 * @returns `undefined` before the first count is done
 */
export async function countWaiting(
  engine: Pick<Engine, 'records' | 'steps'>,
  clock: Pick<BrokerClock, 'now'>,
  patienceMs: number,
): Promise<WaitingCounts | undefined> {
  const [record] = await engine.records.read([KEY]);
  const kept = record === undefined ? undefined : keptIn(record.value);
  if (kept !== undefined && clock.now() < kept.until) return kept.counts;
  const lease = JSON.stringify({ ...kept, until: clock.now() + LEASE_MS });
  const leased =
    record === undefined
      ? await engine.records.create(KEY, lease, KEPT_MS)
      : await engine.records.replace(KEY, record.version, lease, KEPT_MS);
  if (!leased) return kept?.counts;
  const counted = count(engine, clock, (record?.version ?? 0) + 1);
  return new Promise((resolve, reject) => {
    const cancel = after(patienceMs, () => resolve(kept?.counts));
    counted.then(resolve, reject).finally(cancel);
  });
}

async function count(
  { records, steps }: Pick<Engine, 'records' | 'steps'>,
  clock: Pick<BrokerClock, 'now'>,
  version: number,
): Promise<WaitingCounts> {
  const begunAt = performance.now();
  const sums = new Map<string, number>();
  try {
    for (const [queue, waiting] of await steps.waiting()) {
      const name = queueOfLane(queue);
      sums.set(name, (sums.get(name) ?? 0) + waiting);
    }
  } catch (error) {
    await records.remove(KEY, version); // the next one counts
    throw error;
  }
  const holdsMs = Math.max(FRESH_MS, (performance.now() - begunAt) * SHARE);
  const counts = Object.fromEntries(sums);
  const kept: Kept = { until: clock.now() + holdsMs, counts };
  await records.replace(KEY, version, JSON.stringify(kept), KEPT_MS);
  return counts;
}

/** Any client of the broker can write the text. */
function keptIn(text: string): Kept | undefined {
  try {
    const { until, counts } = JSON.parse(text) as Partial<Record<keyof Kept, unknown>>;
    if (typeof until !== 'number') return undefined;
    return isCounts(counts) ? { until, counts } : { until };
  } catch {
    return undefined;
  }
}

function isCounts(value: unknown): value is WaitingCounts {
  return typeof value === 'object' && value !== null && Object.values(value).every(Number.isFinite);
}
