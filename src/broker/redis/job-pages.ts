/** Pages of the jobs of queues (see `job-pages`) from Redis: ranges of BullMQ's lists and sorted sets. */
import {
  ENDED_SETS,
  endedMark,
  type JobSet,
  type PageAsked,
  type PlacedJob,
  placeOfMark,
} from '../job-pages.js';
import type { RedisClient } from './url.js';

/** BullMQ's names of the sets. */
const KEYS: ReadonlyMap<JobSet, string> = new Map([['waiting', 'wait']]);
/** The lists among them: whoever comes is put in front. */
const LISTS: readonly JobSet[] = ['waiting', 'active'];
/** Not a job: an entry that only wakes workers up. */
const MARKER = /^0:/;

/** The pages, in order. Asked for in one go, and answered over one connection. */
export function readPages(
  client: RedisClient,
  prefix: string,
  asked: readonly PageAsked[],
): Promise<PlacedJob[][]> {
  return Promise.all(
    asked.map((page) => {
      const key = `${prefix}:${page.queue}:${KEYS.get(page.set) ?? page.set}`;
      return ENDED_SETS.includes(page.set) ? readEnded(client, key, page) : readLiving(client, key, page);
    }),
  );
}

/** Marks are positions, counted from the end where the page begins. */
async function readLiving(client: RedisClient, key: string, page: PageAsked): Promise<PlacedJob[]> {
  const from = page.after === undefined ? 0 : Number(page.after) + 1;
  const last = from + page.limit - 1;
  let ids: string[];
  if (!LISTS.includes(page.set))
    ids = page.newest ? await client.zrevrange(key, from, last) : await client.zrange(key, from, `${last}`);
  else if (page.newest) ids = await client.lrange(key, from, last);
  else ids = (await client.lrange(key, -1 - last, -1 - from)).reverse();
  return ids.flatMap((id, i) => (MARKER.test(id) ? [] : [{ id, mark: `${from + i}` }]));
}

/** Jobs that ended in the millisecond of the mark may be on either side of it: they are read in full, and left out. */
async function readEnded(client: RedisClient, key: string, page: PageAsked): Promise<PlacedJob[]> {
  const { newest, limit, after } = page;
  const place = after === undefined ? undefined : placeOfMark(after);
  const found: PlacedJob[] = [];
  for (let offset = 0; found.length < limit; offset += limit) {
    const flat = newest
      ? await client.zrevrangebyscore(key, place?.at ?? '+inf', '-inf', 'WITHSCORES', 'LIMIT', offset, limit)
      : await client.zrangebyscore(key, place?.at ?? '-inf', '+inf', 'WITHSCORES', 'LIMIT', offset, limit);
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const [id = '', at] = [flat[i], Number(flat[i + 1])];
      if (found.length < limit && isBehind(place, at, id, newest))
        found.push({ id, mark: endedMark(at, id) });
    }
    if (flat.length < 2 * limit) break;
  }
  return found;
}

function isBehind(
  place: { readonly at: number; readonly id: string } | undefined,
  at: number,
  id: string,
  newest: boolean,
): boolean {
  if (place === undefined || at !== place.at) return true;
  const order = Buffer.compare(Buffer.from(id), Buffer.from(place.id));
  return newest ? order < 0 : order > 0;
}
