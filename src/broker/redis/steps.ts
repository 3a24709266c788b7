/**
 * The StepRecords port on Redis. The fields stand in the job's own hash, behind a '~' that no field of BullMQ's begins
 * with: whatever removes the job removes them, and no write of theirs outlives it. Jobs to be woken are a sorted set.
 */
import type { JobRef } from '../job-ref.js';
import type { Sent, SentValue, StepRecords, StepWrite, StepWritten } from '../steps.js';
import { LuaScript } from './lua-script.js';
import { memberOf, refsIn } from './places.js';
import type { RedisClient } from './url.js';
import { DUE } from './workflow-records.js';

/** Says that a job has fields, for readers that ask for few of its fields. */
export const STEPS_MARK = '~';

// KEYS job, its lock · ARGV token, field, value, field to see or '' · returns the earlier value and the seen one, or nil
const WRITE = new LuaScript(
  2,
  `
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('EXISTS', KEYS[1]) == 0 then return false end
local before = false
if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 1 then
  redis.call('HSETNX', KEYS[1], '${STEPS_MARK}', '1')
else
  before = redis.call('HGET', KEYS[1], ARGV[2])
end
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

const SENT: readonly Sent[] = ['gone', 'taken', 'kept', 'awaited'];

export class RedisSteps implements StepRecords {
  constructor(
    /** Runs a body with the connected client, and keeps the process alive meanwhile. */
    private readonly held: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>,
    private readonly prefix: string,
  ) {}

  async write(job: JobRef, token: string, write: StepWrite): Promise<StepWritten | undefined> {
    const key = this.#key(job);
    const sees = write.sees === undefined ? '' : own(write.sees);
    const args = [token, own(write.field), write.value, sees];
    const reply = await this.held((client) => WRITE.run(client, [key, `${key}:lock`], args));
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

  async remove(job: JobRef): Promise<void> {
    await this.held((client) => REMOVE.run(client, [this.#key(job)], []));
  }

  #key({ queue, id }: JobRef): string {
    return `${this.prefix}:${queue}:${id}`;
  }

  get #wakeUps(): string {
    return `${this.prefix}:~k`;
  }
}

function own(field: string): string {
  return `~${field}`;
}
