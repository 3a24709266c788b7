/** Jobs as rows of a list (see `job-row`) from Redis. */
import type { JobRef, StoredJob } from '../broker.js';
import { LONGEST_DATA, TAIL, withoutLongArguments } from '../job-head.js';
import {
  LONGEST_PROGRESS,
  LONGEST_REASON,
  LONGEST_RESULT,
  LONGEST_STACK,
  STACK_TAIL,
  shortProgress,
  stackInTail,
  UNREAD_RESULT,
} from '../job-row.js';
import { LuaScript } from './lua-script.js';
import { STEPS_MARK } from './steps.js';
import type { RedisClient } from './url.js';

/** Size of what is read at which a reply ends, bytes. The rest is read in another call, so that other clients get their turn. */
const READ_BYTES = 2 * 2 ** 20;
/** Jobs per call. */
const CHUNK = 50;

// KEYS job hashes · returns per job: its fields, cut where they are long, and the lengths of those; or nil; fewer than asked
// for where they are large
const READ = new LuaScript(
  -1,
  `
local out, bytes = {}, 0
for i, key in ipairs(KEYS) do
  local job = redis.call('HMGET', key, 'name', 'timestamp', 'delay', 'processedOn', 'finishedOn', 'atm', 'ats', 'pb',
    'priority', '${STEPS_MARK}')
  if job[1] then
    local function long(field, most)
      local size = redis.call('HSTRLEN', key, field)
      return size, size > most
    end
    local size, cut = long('data', ${LONGEST_DATA})
    local data = redis.call('HGET', key, 'data') or '{}'
    job[11], job[12] = cut and string.sub(data, -${TAIL}) or data, size
    bytes = bytes + size
    size, cut = long('stacktrace', ${LONGEST_STACK})
    local stack = size > 0 and redis.call('HGET', key, 'stacktrace') or ''
    job[13], job[14] = cut and string.sub(stack, -${STACK_TAIL}) or stack, cut and 1 or 0
    bytes = bytes + size
    size, cut = long('progress', ${LONGEST_PROGRESS})
    local progress = size > 0 and redis.call('HGET', key, 'progress') or ''
    job[15], job[16] = cut and string.sub(progress, 1, 200) or progress, cut and string.sub(progress, -100) or false
    bytes = bytes + size
    size, cut = long('returnvalue', ${LONGEST_RESULT})
    job[17] = cut and '${UNREAD_RESULT}' or (redis.call('HGET', key, 'returnvalue') or false)
    local reason = redis.call('HGET', key, 'failedReason')
    job[18] = reason and string.sub(reason, 1, ${LONGEST_REASON})
    job[19] = redis.call('EXISTS', key .. ':lock')
    out[i] = job
  else
    out[i] = false
  end
  if bytes > ${READ_BYTES} then break end
end
return out`,
);

/** The rows, in order; `undefined` for a job that does not exist. */
export async function readRows(
  client: RedisClient,
  prefix: string,
  refs: readonly JobRef[],
): Promise<(StoredJob | undefined)[]> {
  const rows: (StoredJob | undefined)[] = [];
  while (rows.length < refs.length) {
    const chunk = refs.slice(rows.length, rows.length + CHUNK);
    const keys = chunk.map(({ queue, id }) => `${prefix}:${queue}:${id}`);
    const replies = (await READ.run(client, keys, [])) as unknown[];
    if (replies.length === 0) throw new Error('Redis answered fewer jobs than it was asked for.');
    chunk.slice(0, replies.length).forEach((ref, i) => {
      rows.push(decode(ref, replies[i]));
    });
  }
  return rows;
}

function decode(ref: JobRef, reply: unknown): StoredJob | undefined {
  if (!Array.isArray(reply)) return undefined;
  const values = reply as (string | number | null)[];
  const number = (at: number) => (values[at] == null ? undefined : Number(values[at]));
  const text = (at: number) => (values[at] == null ? undefined : String(values[at]));
  const data = text(10) ?? '{}';
  const length = number(11) ?? 0;
  return {
    kind: 'job',
    ...ref,
    name: text(0) ?? '',
    data: length > LONGEST_DATA ? withoutLongArguments(data, length) : data,
    progress: values[15] == null ? parse(text(14)) : shortProgress(text(14) ?? '', text(15) ?? ''),
    returnvalue: text(16),
    failedReason: text(17),
    stack: values[13] === 1 ? stackInTail(text(12) ?? '') : lastOf(parse(text(12))),
    priority: number(8) ?? 0,
    sentAt: number(1) ?? 0,
    delayMs: number(2) ?? 0,
    startedAt: number(3),
    doneAt: number(4),
    retries: number(5) ?? 0,
    deliveries: number(6) ?? 0,
    running: values[18] === 1,
    worker: text(7),
    ...(values[9] != null && { hasSteps: true }),
  };
}

function parse(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // another program may write anything into a job
  }
}

function lastOf(list: unknown): string | undefined {
  const last: unknown = Array.isArray(list) ? list.at(-1) : undefined;
  return typeof last === 'string' ? last : undefined;
}
