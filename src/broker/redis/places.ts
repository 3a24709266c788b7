/**
 * The Places port on Redis: two sorted sets per name, with holders by the moment they took their place, and waiters by
 * their turn. A turn is one more than the last in line, so an empty line leaves no counter behind.
 */
import type { JobRef } from '../job-ref.js';
import { type Asking, type Entered, type Holder, MOST_DOUBTED, type Places, type Room } from '../places.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

/** Hands out long-time holders. No other caller gets them before they have held their place for as long again. */
const DOUBTED = `
local function doubted(before, now)
  local jobs = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', before, 'LIMIT', 0, ${MOST_DOUBTED})
  for _, job in ipairs(jobs) do redis.call('ZADD', KEYS[1], now, job) end
  return jobs
end`;

/** Gives free places to the first jobs in line. */
const GIVEN = `
local function given(limit, now)
  local free = math.min(limit - redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]))
  if free <= 0 then return {} end
  local next = redis.call('ZRANGE', KEYS[2], 0, free - 1)
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, free - 1)
  for _, job in ipairs(next) do redis.call('ZADD', KEYS[1], now, job) end
  return next
end`;

// KEYS holders, waiters · ARGV job, limit, now, most waiters, doubted before
// returns 1 for a place; else 0, whether it is in line, and the doubted
// A job that enters again gets a higher `at` than before, whatever the clock says: an eviction recognises it by that.
const ENTER = new LuaScript(
  2,
  `${DOUBTED}
local job, now = ARGV[1], tonumber(ARGV[3])
local at = redis.call('ZSCORE', KEYS[1], job)
if at or redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[1], at and math.max(now, at + 1) or now, job)
  redis.call('ZREM', KEYS[2], job)
  return { 1 }
end
local listed = redis.call('ZSCORE', KEYS[2], job) and 1 or 0
if listed == 0 and redis.call('ZCARD', KEYS[2]) < tonumber(ARGV[4]) then
  local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
  redis.call('ZADD', KEYS[2], (last[2] or 0) + 1, job)
  listed = 1
end
return { 0, listed, doubted(ARGV[5], now) }`,
);

// KEYS holders, waiters · ARGV job, limit, now · returns the jobs that got a place
const LEAVE = new LuaScript(
  2,
  `${GIVEN}
if redis.call('ZREM', KEYS[1], ARGV[1]) + redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then return {} end
return given(tonumber(ARGV[2]), ARGV[3])`,
);

// KEYS holders · ARGV limit, now, doubted before · returns 1 for room; else 0 and the doubted
const ROOM = new LuaScript(
  1,
  `${DOUBTED}
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then return { 1 } end
return { 0, doubted(ARGV[3], ARGV[2]) }`,
);

// KEYS holders, waiters · ARGV limit, now, then job and at of each · returns the jobs that got a place
const EVICT = new LuaScript(
  2,
  `${GIVEN}
local gone = 0
for i = 3, #ARGV, 2 do
  local at = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if at and tonumber(at) == tonumber(ARGV[i + 1]) then gone = gone + redis.call('ZREM', KEYS[1], ARGV[i]) end
end
if gone == 0 then return {} end
return given(tonumber(ARGV[1]), ARGV[2])`,
);

export class RedisPlaces implements Places {
  constructor(
    /** Runs a body with the connected client, and keeps the process alive meanwhile. */
    private readonly held: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>,
    /** Key prefixes of the sets of holders and of waiters. */
    private readonly keys: { readonly holders: string; readonly waiters: string },
  ) {}

  async enter(name: string, job: JobRef, asking: Asking): Promise<Entered> {
    const { limit, now, mostWaiters, doubtedBefore } = asking;
    const args = [memberOf(job), limit, now, mostWaiters, doubtedBefore];
    const [held, listed, doubted] = (await this.#run(ENTER, name, args)) as [number, number, string[]];
    if (held === 1) return { held: true };
    return { held: false, listed: listed === 1, doubted: holdersIn(doubted, now) };
  }

  async leave(name: string, limit: number, job: JobRef, now: number): Promise<readonly JobRef[]> {
    return refsIn(await this.#run(LEAVE, name, [memberOf(job), limit, now]));
  }

  async room(name: string, asking: Omit<Asking, 'mostWaiters'>): Promise<Room> {
    const { limit, now, doubtedBefore } = asking;
    const reply = await this.held((client) =>
      ROOM.run(client, [`${this.keys.holders}${name}`], [limit, now, doubtedBefore]),
    );
    const [free, doubted] = reply as [number, string[]];
    return free === 1 ? { free: true } : { free: false, doubted: holdersIn(doubted, now) };
  }

  async evict(name: string, limit: number, dead: readonly Holder[], now: number): Promise<readonly JobRef[]> {
    const who = dead.flatMap((holder) => [memberOf(holder), holder.at]);
    return refsIn(await this.#run(EVICT, name, [limit, now, ...who]));
  }

  #run(script: LuaScript, name: string, args: readonly (string | number)[]): Promise<unknown> {
    const keys = [`${this.keys.holders}${name}`, `${this.keys.waiters}${name}`];
    return this.held((client) => script.run(client, keys, args));
  }
}

/** A job as the member of a sorted set. Unambiguous, since no queue name contains a colon. */
export function memberOf({ queue, id }: JobRef): string {
  return `${queue}:${id}`;
}

/** The jobs behind the members of a sorted set. */
export function refsIn(members: unknown): JobRef[] {
  return (members as string[]).map((member) => {
    const colon = member.indexOf(':');
    return { queue: member.slice(0, colon), id: member.slice(colon + 1) };
  });
}

function holdersIn(members: readonly string[], at: number): Holder[] {
  return refsIn(members).map((ref) => ({ ...ref, at }));
}
