/**
 * The QueueAdmin port on Redis: a sorted set of the queues in use, and BullMQ 6's layout of a queue (lists `wait` and
 * `active`, sorted sets for the rest). The engine conformance test fails when an upgrade changes it.
 */

import type { PageAsked, PlacedJob } from '../job-pages.js';
import type { JobRef } from '../job-ref.js';
import {
  comparePlaces,
  type Ended,
  type EndedBefore,
  type EndedStep,
  type FailedPlace,
  type KnownQueue,
  MOST_WAKINGS,
  type QueueAdmin,
  type QueueSizes,
  SCHEDULER_MARK,
  type Taken,
  type TakenJob,
  type TakeStep,
} from '../queue-admin.js';
import type { StoredJob } from '../stored-job.js';
import { readPages } from './job-pages.js';
import { readRows } from './job-rows.js';
import { LuaScript } from './lua-script.js';
import { PARKED_AT } from './parked-at.js';
import type { RedisClient } from './url.js';

// KEYS wait, prioritized, delayed, active · ARGV key prefix, token, lock ms, limit, passed: wait, prioritized, delayed
// returns passed now: wait, prioritized, delayed; jobs looked at; then id, name, data, opts, timestamp, parent key of each
const TAKE = new LuaScript(
  4,
  `
local prefix, token, lock, left = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local passed = { tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]) }
local looked, jobs = 0, {}
local function consider(set, id, remove)
  looked = looked + 1
  if string.sub(id, 1, ${SCHEDULER_MARK.length}) == '${SCHEDULER_MARK}' then
    passed[set] = passed[set] + 1
    return
  end
  remove(id)
  if string.sub(id, 1, 2) == '0:' then return end
  local job = redis.call('HMGET', prefix .. id, 'name', 'data', 'opts', 'timestamp', 'parentKey')
  if not job[1] then return end
  redis.call('LPUSH', KEYS[4], id)
  redis.call('SET', prefix .. id .. ':lock', token, 'PX', lock)
  jobs[#jobs + 1] = { id, job[1], job[2], job[3], job[4], job[5] }
end
local ids = redis.call('LRANGE', KEYS[1], -(passed[1] + left), -(passed[1] + 1))
for i = #ids, 1, -1 do
  consider(1, ids[i], function(id) redis.call('LREM', KEYS[1], -1, id) end)
end
for set = 2, 3 do
  local room = left - looked
  if room > 0 then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[set], passed[set], passed[set] + room - 1)) do
      consider(set, id, function(taken) redis.call('ZREM', KEYS[set], taken) end)
    end
  end
end
return { passed[1], passed[2], passed[3], looked, jobs }`,
);

// KEYS ended · ARGV key prefix, before, passed, limit · returns ids with a message of ours, and how many have another
const ENDED = new LuaScript(
  1,
  `
local own, foreign = {}, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 0, ARGV[2], 'LIMIT', ARGV[3], ARGV[4])) do
  local data = redis.call('HGET', ARGV[1] .. id, 'data')
  if not data or string.find(data, '^%s*{%s*"v"%s*:%s*%d+%s*,%s*"args"%s*:') then
    own[#own + 1] = id
  else
    foreign = foreign + 1
  end
end
return { own, foreign }`,
);

// KEYS wait, delayed · ARGV key prefix, now, limit · returns 1 when the next job in wait is a task that goes on
const WAKINGS_FIRST = new LuaScript(
  2,
  `
local function goesOn(id)
  local job = redis.call('HMGET', ARGV[1] .. id, 'stacktrace', 'ats')
  local starts = string.match(job[1] or '', '${PARKED_AT}')
  return starts ~= nil and tonumber(job[2] or 0) <= tonumber(starts)
end
local due = redis.call('ZRANGEBYSCORE', KEYS[2], 0, (tonumber(ARGV[2]) + 1) * 0x1000 - 1, 'LIMIT', 0, ARGV[3])
for i = #due, 1, -1 do
  if goesOn(due[i]) then
    redis.call('ZREM', KEYS[2], due[i])
    redis.call('RPUSH', KEYS[1], due[i])
    redis.call('HSET', ARGV[1] .. due[i], 'delay', 0)
  end
end
local first = redis.call('LINDEX', KEYS[1], -1)
return first and goesOn(first) and 1 or 0`,
);

const SIZES = [
  'wait',
  'paused',
  'prioritized',
  'active',
  'delayed',
  'waiting-children',
  'failed',
  'completed',
];

type Held = <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>;

export class RedisQueueAdmin implements QueueAdmin {
  constructor(
    /** Runs a body with the connected client, and keeps the process alive meanwhile. */
    private readonly held: Held,
    private readonly prefix: string,
  ) {}

  async note(queues: readonly string[]): Promise<void> {
    await this.#pipelined(queues, (pipeline, queue) => pipeline.zadd(this.#list, Date.now(), queue));
  }

  async known(): Promise<KnownQueue[]> {
    const flat = await this.held((client) => client.zrange(this.#list, 0, '-1', 'WITHSCORES'));
    return pairs(flat).map(([name, notedAt]) => ({ name, notedAt }));
  }

  async forget(queues: readonly string[]): Promise<void> {
    if (queues.length > 0) await this.held((client) => client.zrem(this.#list, ...queues));
  }

  async sizes(queues: readonly string[]): Promise<QueueSizes[]> {
    const perQueue = SIZES.length + 1;
    const replies = await this.#pipelined(queues, (pipeline, queue) => {
      for (const name of SIZES) {
        const key = this.#key(queue, name);
        if (name === 'wait' || name === 'paused' || name === 'active') pipeline.llen(key);
        else pipeline.zcard(key);
      }
      pipeline.hexists(this.#key(queue, 'meta'), 'paused');
    });
    return queues.map((_, i) => {
      const own = replies.slice(i * perQueue, (i + 1) * perQueue).map(Number);
      const [wait = 0, legacy = 0, prioritized = 0, active = 0, delayed = 0, blocked = 0, failed = 0] = own;
      return {
        waiting: wait + legacy + prioritized,
        active,
        delayed,
        waitingChildren: blocked,
        failed,
        finished: own[7] ?? 0,
        paused: own[8] === 1,
      };
    });
  }

  async due(queues: readonly string[], { completed, failed }: EndedBefore): Promise<boolean[]> {
    const counts = await this.#pipelined(queues, (pipeline, queue) => {
      pipeline.zcount(this.#key(queue, 'completed'), '-inf', completed);
      pipeline.zcount(this.#key(queue, 'failed'), '-inf', failed);
    });
    return queues.map((_, i) => Number(counts[2 * i]) + Number(counts[2 * i + 1]) > 0);
  }

  async ended(queue: string, { state, before, passed, limit }: EndedStep): Promise<Ended> {
    const args = [this.#key(queue, ''), before, passed, limit];
    const reply = await this.held((client) => ENDED.run(client, [this.#key(queue, state)], args));
    const [own, foreign] = reply as [string[], number];
    return { own, foreign };
  }

  async wakingsFirst(queue: string, now = Date.now()): Promise<boolean> {
    const keys = ['wait', 'delayed'].map((name) => this.#key(queue, name));
    const args = [this.#key(queue, ''), Math.floor(now), MOST_WAKINGS];
    return (await this.held((client) => WAKINGS_FIRST.run(client, keys, args))) === 1;
  }

  async take(queue: string, { limit, passed, token, lockMs }: TakeStep): Promise<Taken> {
    const keys = ['wait', 'prioritized', 'delayed', 'active'].map((name) => this.#key(queue, name));
    const args = [limit, passed.waiting, passed.prioritized, passed.delayed];
    const reply = await this.held((client) =>
      TAKE.run(client, keys, [this.#key(queue, ''), token, lockMs, ...args]),
    );
    const [waiting, prioritized, delayed, looked, jobs] = reply as [
      number,
      number,
      number,
      number,
      (string | null)[][],
    ];
    return { jobs: jobs.map(decode), passed: { waiting, prioritized, delayed }, looked: looked > 0 };
  }

  async failed(
    queues: readonly string[],
    before: FailedPlace | undefined,
    limit: number,
  ): Promise<FailedPlace[]> {
    const pages = await Promise.all(queues.map((queue) => this.#failedOf(queue, before, limit)));
    return pages.flat().sort(comparePlaces).slice(0, limit);
  }

  pages(asked: readonly PageAsked[]): Promise<PlacedJob[][]> {
    return this.held((client) => readPages(client, this.prefix, asked));
  }

  rows(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
    return this.held((client) => readRows(client, this.prefix, refs));
  }

  async reset(queue: string, id: string): Promise<void> {
    await this.held((client) => client.hdel(this.#key(queue, id), ...COUNTS));
  }

  /** Filters the jobs that ended in the millisecond of `before`, since some of them may be on its other side. */
  async #failedOf(queue: string, before: FailedPlace | undefined, limit: number): Promise<FailedPlace[]> {
    const found: FailedPlace[] = [];
    const newest = before === undefined ? '+inf' : String(before.at);
    for (let offset = 0; found.length < limit; offset += limit) {
      const flat = await this.held((client) =>
        client.zrevrangebyscore(
          this.#key(queue, 'failed'),
          newest,
          '-inf',
          'WITHSCORES',
          'LIMIT',
          offset,
          limit,
        ),
      );
      const page = pairs(flat).map(([id, at]) => ({ at, queue, id }));
      found.push(...page.filter((place) => before === undefined || comparePlaces(before, place) < 0));
      if (page.length < limit) break;
    }
    return found;
  }

  async #pipelined(
    queues: readonly string[],
    add: (pipeline: ReturnType<RedisClient['pipeline']>, queue: string) => unknown,
  ): Promise<unknown[]> {
    if (queues.length === 0) return [];
    const replies = await this.held(async (client) => {
      const pipeline = client.pipeline();
      for (const queue of queues) add(pipeline, queue);
      return (await pipeline.exec()) ?? [];
    });
    return replies.map(([error, reply]) => {
      if (error !== null) throw error;
      return reply;
    });
  }

  /** No queue name begins with '~', so this key never collides with BullMQ's. */
  get #list(): string {
    return `${this.prefix}:~q`;
  }

  #key(queue: string, name: string): string {
    return `${this.prefix}:${queue}:${name}`;
  }
}

/** Fields with the count of stalls and the traces of attempts. BullMQ's retry resets the count of attempts itself. */
const COUNTS = ['stc', 'progress', 'pb', 'defa', 'stacktrace'];

function decode([id, name, data, opts, timestamp, parentKey]: (string | null)[]): TakenJob {
  const read: unknown = JSON.parse(opts ?? '{}');
  return {
    id: id ?? '',
    name: name ?? '',
    data: data ?? '{}',
    opts: typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {},
    sentAt: Number(timestamp ?? 0),
    hasParent: Boolean(parentKey),
  };
}

function pairs(flat: readonly string[]): [string, number][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? '', Number(flat[2 * i + 1])]);
}
