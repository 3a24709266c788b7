/**
 * The StepRecords port on Redis. The fields stand in the job's own hash, behind a '~' that no field of BullMQ's begins
 * with: whatever removes the job removes them, and no write of theirs outlives it. Jobs to be woken are a sorted set.
 */
import type { JobRef } from '../job-ref.js';
import type { Sent, SentValue, StepRecords, StepWrite, StepWritten } from '../steps.js';
import { LuaScript } from './lua-script.js';
import { PARKED_AT } from './parked-at.js';
import { memberOf, refsIn } from './places.js';
import type { RedisClient } from './url.js';
import { DUE } from './workflow-records.js';

/** Says that a job has fields, for readers that ask for few of its fields. */
export const STEPS_MARK = '~';
/** How many jobs that may wait are looked at in one step. */
const MOST_LOOKED_AT = 200;
/** After so many steps that dropped next to nothing, reclaiming goes on in the next round. */
const MOST_FRUITLESS = 20;

/** One look at jobs that may wait. */
interface Looked {
  readonly gone: number;
  readonly waiting: readonly string[];
  readonly last: string | undefined;
}

// KEYS job, its lock, jobs that may wait
// ARGV token, field, value, field to see or '', member that may be parked or '' · returns the earlier value and the seen one, or nil
const WRITE = new LuaScript(
  3,
  `
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('EXISTS', KEYS[1]) == 0 then return false end
local before = false
if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 1 then
  redis.call('HSETNX', KEYS[1], '${STEPS_MARK}', '1')
else
  before = redis.call('HGET', KEYS[1], ARGV[2])
end
if ARGV[5] ~= '' then redis.call('ZADD', KEYS[3], 0, ARGV[5]) end
return { before, ARGV[4] ~= '' and redis.call('HGET', KEYS[1], ARGV[4]) }`,
);

const FIELDS = `
local function fields(key)
  local found, all = {}, redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) == '~' then
      found[#found + 1] = all[i]
      found[#found + 1] = all[i + 1]
    end
  end
  return found
end`;

// KEYS job · returns its fields and their values
const READ = new LuaScript(1, `${FIELDS}\nreturn fields(KEYS[1])`);

// KEYS job, wake-ups · ARGV field, value, field of the wait, member, now · returns 0 gone, 1 taken, 2 kept, 3 awaited
const SEND = new LuaScript(
  2,
  `
local job = redis.call('HMGET', KEYS[1], 'name', 'finishedOn')
if not job[1] or job[2] then return 0 end
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 1 end
redis.call('HSETNX', KEYS[1], '${STEPS_MARK}', '1')
if redis.call('HEXISTS', KEYS[1], ARGV[3]) == 0 then return 2 end
local mark = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[4]) or -1)
redis.call('ZADD', KEYS[2], math.max(tonumber(ARGV[5]), mark + 1), ARGV[4])
return 3`,
);

// KEYS wake-ups · ARGV member, its mark
const SETTLE = new LuaScript(
  1,
  `
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or -1) ~= tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])`,
);

// KEYS from, to · returns how many fields were copied
const COPY = new LuaScript(
  2,
  `${FIELDS}
local found = fields(KEYS[1])
for i = 1, #found, 2 do redis.call('HSETNX', KEYS[2], found[i], found[i + 1]) end
return #found`,
);

// KEYS job
const REMOVE = new LuaScript(
  1,
  `${FIELDS}
local found = fields(KEYS[1])
for i = 1, #found, 2 do redis.call('HDEL', KEYS[1], found[i]) end
return #found`,
);

// KEYS jobs that may wait, then n jobs, then the delayed jobs of the queue of each · ARGV now, then their n members, then
// their n ids · drops those that are gone or have ended · returns how many, and the numbers of those that wait
const LOOK = new LuaScript(
  -1,
  `
local n, gone, waiting = (#KEYS - 1) / 2, 0, {}
for i = 1, n do
  local job = redis.call('HMGET', KEYS[1 + i], 'name', 'finishedOn', 'stacktrace', 'ats')
  if not job[1] or job[2] then
    gone = gone + redis.call('ZREM', KEYS[1], ARGV[1 + i])
  else
    local starts = string.match(job[3] or '', '${PARKED_AT}')
    if starts and tonumber(job[4] or 0) <= tonumber(starts) then
      local score = redis.call('ZSCORE', KEYS[1 + n + i], ARGV[1 + n + i])
      if score and tonumber(score) >= (tonumber(ARGV[1]) + 1) * 0x1000 then waiting[#waiting + 1] = i end
    end
  end
end
return { gone, waiting }`,
);

const SENT: readonly Sent[] = ['gone', 'taken', 'kept', 'awaited'];

export class RedisSteps implements StepRecords {
  /** Where reclaiming goes on. */
  #sweptTo: string | undefined;
  #fruitless = 0;

  constructor(
    /** Runs a body with the connected client, and keeps the process alive meanwhile. */
    private readonly held: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>,
    private readonly prefix: string,
  ) {}

  async write(job: JobRef, token: string, write: StepWrite): Promise<StepWritten | undefined> {
    const key = this.#key(job);
    const sees = write.sees === undefined ? '' : own(write.sees);
    const args = [token, own(write.field), write.value, sees, write.parks ? memberOf(job) : ''];
    const keys = [key, `${key}:lock`, this.#mayWait];
    const reply = await this.held((client) => WRITE.run(client, keys, args));
    if (!Array.isArray(reply)) return undefined;
    const [before, seen] = reply as (string | null)[];
    return { before: before ?? undefined, seen: seen ?? undefined };
  }

  async read(job: JobRef): Promise<ReadonlyMap<string, string>> {
    const flat = (await this.held((client) => READ.run(client, [this.#key(job)], []))) as string[];
    const fields = new Map<string, string>();
    for (let i = 0; i < flat.length; i += 2)
      if (flat[i] !== STEPS_MARK) fields.set((flat[i] ?? '').slice(1), flat[i + 1] ?? '');
    return fields;
  }

  async send(job: JobRef, { field, value, awaitedIf, now }: SentValue): Promise<Sent> {
    const args = [own(field), value, own(awaitedIf), memberOf(job), Math.floor(now)];
    const reply = await this.held((client) => SEND.run(client, [this.#key(job), this.#wakeUps], args));
    return SENT[Number(reply)] ?? 'gone';
  }

  async due(now: number, limit: number, leaseMs: number): Promise<readonly JobRef[]> {
    const reply = await this.held((client) =>
      DUE.run(client, [this.#wakeUps], [Math.floor(now), limit, leaseMs]),
    );
    return refsIn((reply as [string, string[]])[1]);
  }

  async mark(job: JobRef): Promise<number | undefined> {
    const score = await this.held((client) => client.zscore(this.#wakeUps, memberOf(job)));
    return score === null ? undefined : Number(score);
  }

  async settle(job: JobRef, mark: number): Promise<void> {
    await this.held((client) => SETTLE.run(client, [this.#wakeUps], [memberOf(job), mark]));
  }

  async copy(from: JobRef, to: JobRef): Promise<boolean> {
    const keys = [this.#key(from), this.#key(to)];
    return Number(await this.held((client) => COPY.run(client, keys, []))) > 0;
  }

  async waiting(now = Date.now()): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    let after: string | undefined;
    do {
      const looked = await this.#look(after, MOST_LOOKED_AT, now);
      for (const queue of looked.waiting) counts.set(queue, (counts.get(queue) ?? 0) + 1);
      after = looked.last;
    } while (after !== undefined);
    return counts;
  }

  /**
   * Drops jobs that ended from the list of those that may wait, which nobody has to count. Goes on where it stopped.
   * @returns whether it is worth another step now
   */
  async reclaim(limit: number): Promise<boolean> {
    const { gone, last } = await this.#look(this.#sweptTo, limit, 0);
    this.#sweptTo = last;
    this.#fruitless = gone * 10 >= limit ? 0 : this.#fruitless + 1;
    if (last !== undefined && this.#fruitless < MOST_FRUITLESS) return true;
    this.#fruitless = 0;
    return false;
  }

  /**
   * Looks at jobs that may wait, in the order of their names, and drops those that are gone or have ended from the list.
   * @returns how many it dropped, the queue of each that waits, and the last one it looked at; that is undefined at the end
   */
  async #look(after: string | undefined, limit: number, now: number): Promise<Looked> {
    const from = after === undefined ? '-' : `(${after}`;
    const members = await this.held((client) =>
      client.zrangebylex(this.#mayWait, from, '+', 'LIMIT', 0, limit),
    );
    if (members.length === 0) return { gone: 0, waiting: [], last: undefined };
    const refs = refsIn(members);
    const delayed = refs.map(({ queue }) => `${this.prefix}:${queue}:delayed`);
    const keys = [this.#mayWait, ...refs.map((ref) => this.#key(ref)), ...delayed];
    const args = [Math.floor(now), ...members, ...refs.map(({ id }) => id)];
    const [gone, found] = (await this.held((client) => LOOK.run(client, keys, args))) as [number, number[]];
    return {
      gone,
      waiting: found.map((i) => refs[i - 1]?.queue ?? ''),
      last: members.length < limit ? undefined : members.at(-1),
    };
  }

  async remove(job: JobRef): Promise<void> {
    await this.held((client) => REMOVE.run(client, [this.#key(job)], []));
  }

  #key({ queue, id }: JobRef): string {
    return `${this.prefix}:${queue}:${id}`;
  }

  get #wakeUps(): string {
    return `${this.prefix}:~k`;
  }

  get #mayWait(): string {
    return `${this.prefix}:~p`;
  }
}

function own(field: string): string {
  return `~${field}`;
}
