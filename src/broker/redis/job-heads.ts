/** Reads the heads of jobs (see `job-head`) from Redis. */

import { PARK_MARK } from '../../protocol/waiting.js';
import type { JobHead, JobRef } from '../broker.js';
import { LONGEST_DATA, TAIL, withoutLongArguments } from '../job-head.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

/** What BullMQ's list of stacks begins with, for a task that waits. */
const PARKED = `["${PARK_MARK}`;

// KEYS job hashes · returns per job: length of its data, that or its end, fields, whether it is locked; or nil
const READ = new LuaScript(
  -1,
  `
local out = {}
for i, key in ipairs(KEYS) do
  local job = redis.call('HMGET', key, 'name', 'timestamp', 'delay', 'processedOn', 'finishedOn', 'atm', 'ats', 'data', 'stacktrace')
  if job[1] then
    local data = job[8] or '{}'
    job[8] = #data > ${LONGEST_DATA} and string.sub(data, -${TAIL}) or data
    local stack = job[9]
    job[9] = #data
    job[10] = redis.call('EXISTS', key .. ':lock')
    job[11] = stack and string.sub(stack, 1, ${PARKED.length}) == '${PARKED}' and stack
    out[i] = job
  else
    out[i] = false
  end
end
return out`,
);

/** Jobs per script call: the script reads the data of each in full, however long. */
const CHUNK = 50;

/** The heads of these jobs, in order; `undefined` where there is no job. */
export async function readHeads(
  client: RedisClient,
  prefix: string,
  refs: readonly JobRef[],
): Promise<(JobHead | undefined)[]> {
  const heads: (JobHead | undefined)[] = [];
  for (let i = 0; i < refs.length; i += CHUNK) {
    const chunk = refs.slice(i, i + CHUNK);
    const keys = chunk.map(({ queue, id }) => `${prefix}:${queue}:${id}`);
    const replies = (await READ.run(client, keys, [])) as unknown[];
    heads.push(...chunk.map((ref, n) => decode(ref, replies[n])));
  }
  return heads;
}

function decode(ref: JobRef, reply: unknown): JobHead | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [name, sentAt, delay, startedAt, doneAt, retries, deliveries, data, length, locked, stack] =
    reply as (string | number | null)[];
  const moment = (value: string | number | null | undefined) => (value == null ? undefined : Number(value));
  const text = String(data);
  return {
    ...ref,
    name: String(name),
    data: Number(length) > LONGEST_DATA ? withoutLongArguments(text, Number(length)) : text,
    sentAt: moment(sentAt) ?? 0,
    delayMs: moment(delay) ?? 0,
    startedAt: moment(startedAt),
    doneAt: moment(doneAt),
    retries: moment(retries) ?? 0,
    deliveries: moment(deliveries) ?? 0,
    running: Number(locked) === 1,
    stack: stack == null ? undefined : String((JSON.parse(String(stack)) as unknown[])[0]),
  };
}
