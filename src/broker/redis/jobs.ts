/**
 * Reads BullMQ jobs from Redis, many in one command. The layout (a hash per job, `<key>:lock` while a worker holds the
 * job) is BullMQ 6's; the engine conformance test fails when an upgrade changes it.
 */
import { createHash } from 'node:crypto';
import type { DelayedJob, JobRef, StoredJob } from '../broker.js';
import { LuaScript } from './lua-script.js';
import { STEPS_MARK } from './steps.js';
import type { RedisClient } from './url.js';

const FIELDS = [
  'name',
  'data',
  'opts',
  'progress',
  'returnvalue',
  'failedReason',
  'stacktrace',
  'timestamp',
  'delay',
  'processedOn',
  'finishedOn',
  'atm',
  'ats',
  'pb',
  'priority',
  STEPS_MARK,
] as const;

/** Size at which a reply ends, bytes. The rest is read in another call, so that other clients get their turn. */
const REPLY_BYTES = 8 * 2 ** 20;

// KEYS job hashes · returns per job: its fields and whether it is locked, or nil; fewer than asked for where they are large
const READ = new LuaScript(
  -1,
  `
local out, bytes = {}, 0
for i, key in ipairs(KEYS) do
  local job = redis.call('HMGET', key, ${FIELDS.map((f) => `'${f}'`).join(', ')})
  if job[1] then
    bytes = bytes + #(job[2] or '') + #(job[${FIELDS.indexOf('returnvalue') + 1}] or '')
    job[#job + 1] = redis.call('EXISTS', key .. ':lock')
    out[i] = job
  else
    out[i] = false
  end
  if bytes > ${REPLY_BYTES} then break end
end
return out`,
);

// KEYS job hashes · returns per job: 1 when it is finished or gone
const ENDED = new LuaScript(
  -1,
  `
local out = {}
for i, key in ipairs(KEYS) do
  local job = redis.call('HMGET', key, 'name', 'finishedOn')
  out[i] = (job[1] and not job[2]) and 0 or 1
end
return out`,
);

// KEYS[1] job hash · ARGV SHA-1 of the data as it was read, the new data · returns 1, or 0 when it is not that any more
const AMEND = new LuaScript(
  1,
  `
local data = redis.call('HGET', KEYS[1], 'data')
if not data or redis.sha1hex(data) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
return 1`,
);

// KEYS job hash · counts one start less, of a job that is there
const UNCOUNT = new LuaScript(
  1,
  `
if tonumber(redis.call('HGET', KEYS[1], 'ats') or 0) > 0 then redis.call('HINCRBY', KEYS[1], 'ats', -1) end`,
);

const CHUNK = 500;

/** The jobs, in order; `undefined` for a job that does not exist. */
export async function readJobs(
  client: RedisClient,
  prefix: string,
  refs: readonly JobRef[],
): Promise<(StoredJob | undefined)[]> {
  const replies = await inChunks(client, READ, prefix, refs);
  return refs.map((ref, i) => decode(ref, replies[i]));
}

/** Whether each job is finished or gone, in order. */
export async function readEnded(
  client: RedisClient,
  prefix: string,
  refs: readonly JobRef[],
): Promise<boolean[]> {
  const replies = await inChunks(client, ENDED, prefix, refs);
  return replies.map((reply) => reply === 1);
}

/** Replaces the data of a job if it is still `was`. `false` when it changed or the job is gone. */
export async function amendData(
  client: RedisClient,
  prefix: string,
  { queue, id }: JobRef,
  was: string,
  data: object,
): Promise<boolean> {
  const known = createHash('sha1').update(was).digest('hex');
  return (await AMEND.run(client, [`${prefix}:${queue}:${id}`], [known, JSON.stringify(data)])) === 1;
}

/** Twelve bits of a delayed job's score order the jobs of one millisecond (BullMQ: `getDelayedScore`). */
const SCORES_A_MS = 0x1000;

/** Subtracts one from a job's count of deliveries. */
export async function uncount(client: RedisClient, prefix: string, ref: JobRef): Promise<void> {
  await UNCOUNT.run(client, [`${prefix}:${ref.queue}:${ref.id}`], []);
}

/** The delayed jobs of these queues, soonest first. */
export async function readDelayed(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
  limit: number,
): Promise<DelayedJob[]> {
  const found = await Promise.all(
    queues.map(async (queue) => {
      const reply = await client.zrange(`${prefix}:${queue}:delayed`, 0, `${limit - 1}`, 'WITHSCORES');
      return pairs(reply).map(([id, score]) => ({
        ref: { queue, id },
        dueAt: Math.floor(Number(score) / SCORES_A_MS),
      }));
    }),
  );
  return found
    .flat()
    .sort((a, b) => a.dueAt - b.dueAt)
    .slice(0, limit);
}

function pairs(list: readonly string[]): [string, string][] {
  return list.flatMap((id, i): [string, string][] => (i % 2 === 0 ? [[id, list[i + 1] ?? '']] : []));
}

async function inChunks(
  client: RedisClient,
  script: LuaScript,
  prefix: string,
  refs: readonly JobRef[],
): Promise<unknown[]> {
  const runs: Promise<unknown[]>[] = [];
  for (let i = 0; i < refs.length; i += CHUNK) {
    const keys = refs.slice(i, i + CHUNK).map((ref) => `${prefix}:${ref.queue}:${ref.id}`);
    runs.push(wholly(client, script, keys));
  }
  return (await Promise.all(runs)).flat(1);
}

/** Runs the script again for the keys that the last reply left out. */
async function wholly(client: RedisClient, script: LuaScript, keys: readonly string[]): Promise<unknown[]> {
  const replies = (await script.run(client, keys, [])) as unknown[];
  while (replies.length < keys.length) {
    const more = (await script.run(client, keys.slice(replies.length), [])) as unknown[];
    if (more.length === 0) throw new Error('Redis answered fewer jobs than it was asked for.');
    replies.push(...more);
  }
  return replies;
}

function decode(ref: JobRef, reply: unknown): StoredJob | undefined {
  if (!Array.isArray(reply)) return undefined;
  const values = reply as (string | null)[];
  const text = (field: (typeof FIELDS)[number]) => values[FIELDS.indexOf(field)] ?? undefined;
  const number = (field: (typeof FIELDS)[number]) => {
    const value = text(field);
    return value === undefined ? undefined : Number(value);
  };
  const opts = parse(text('opts'));
  return {
    kind: 'job',
    id: ref.id,
    queue: ref.queue,
    name: text('name') ?? '',
    data: text('data') ?? '{}',
    progress: parse(text('progress')),
    returnvalue: text('returnvalue'),
    failedReason: text('failedReason'),
    stack: lastOf(parse(text('stacktrace'))),
    priority: number('priority') ?? 0,
    sentAt: number('timestamp') ?? 0,
    delayMs: number('delay') ?? (isRecord(opts) ? Number(opts.delay ?? 0) : 0),
    startedAt: number('processedOn'),
    doneAt: number('finishedOn'),
    retries: number('atm') ?? 0,
    deliveries: number('ats') ?? 0,
    running: Number(values[FIELDS.length]) === 1,
    worker: text('pb'),
    ...(text(STEPS_MARK) !== undefined && { hasSteps: true }),
  };
}

function parse(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Another program may write anything into a job; an unreadable field counts as absent.
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function lastOf(list: unknown): string | undefined {
  const last: unknown = Array.isArray(list) ? list.at(-1) : undefined;
  return typeof last === 'string' ? last : undefined;
}
