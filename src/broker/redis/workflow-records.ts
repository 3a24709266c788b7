/**
 * The WorkflowRecords port on Redis: one hash per workflow, changed by small scripts. Removes with UNLINK, so that a large
 * record does not block the broker.
 */
import {
  type DueWorkflows,
  HEAD,
  PLAN,
  REVOKED,
  type WorkflowRecords,
  type WorkflowWrite,
  type WorkflowWritten,
} from '../broker.js';
import { Joined } from './joined.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

// KEYS[1] record · ARGV plan, ttl in ms · returns 1, or 0 when there is one
const CREATE = new LuaScript(
  1,
  `
if redis.call('HSETNX', KEYS[1], '${HEAD}', '1') == 0 then return 0 end
redis.call('HSET', KEYS[1], '${PLAN}', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`,
);

// KEYS[1] record · ARGV field, value, counter or '' … · returns its revocation and a row per write, or nil
const WRITE = new LuaScript(
  1,
  `
local key = KEYS[1]
local head = redis.call('HMGET', key, '${HEAD}', '${REVOKED}')
if not head[1] then return false end
local revoked = head[2]
local rows = {}
for i = 1, #ARGV, 3 do
  local fresh = not revoked and redis.call('HSETNX', key, ARGV[i], ARGV[i + 1]) == 1
  local row = { not fresh and redis.call('HGET', key, ARGV[i]) or false, 0, 0 }
  local counter = ARGV[i + 2]
  if counter ~= '' then
    if fresh then
      row[2] = redis.call('HINCRBY', key, counter, 1)
    else
      row[2] = tonumber(redis.call('HGET', key, counter) or 0)
    end
    row[3] = tonumber(redis.call('HGET', key, counter .. '+') or 0)
  end
  rows[#rows + 1] = row
end
return { revoked, rows }`,
);

// KEYS[1] watch list · ARGV now, limit, lease in ms · returns the score of the next one or '', and those that are due
export const DUE = new LuaScript(
  1,
  `
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, flow in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[1] + ARGV[3], flow) end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { next[2] or '', due }`,
);

/** The key of the watch list, beside the records. No workflow has this id. */
const WATCHED = 'watched';

/** Most fields that are read in one command, and most bytes that are written in one. */
const MOST_FIELDS = 200;
const MOST_BYTES = 65_536;

export class RedisWorkflowRecords implements WorkflowRecords {
  readonly #writes = new Joined<readonly WorkflowWrite[], WorkflowWritten | undefined>(
    weightOf,
    MOST_BYTES,
    (flow, several) => this.#write(flow, several),
  );
  readonly #reads = new Joined<readonly string[], (string | undefined)[]>(
    ({ length }) => length,
    MOST_FIELDS,
    (flow, several) => this.#read(flow, several),
  );

  constructor(
    /** Runs a body with the connected client, and keeps the process alive meanwhile. */
    private readonly held: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>,
    private readonly keyPrefix: string,
  ) {}

  create(flow: string, plan: string, ttlMs: number): Promise<boolean> {
    return this.held(
      async (client) => (await CREATE.run(client, [this.#key(flow)], [plan, ms(ttlMs)])) === 1,
    );
  }

  write(flow: string, writes: readonly WorkflowWrite[]): Promise<WorkflowWritten | undefined> {
    return this.#writes.ask(flow, writes);
  }

  /** Several writes to one record, one after the other, as if each had come by itself. */
  async #write(
    flow: string,
    several: readonly (readonly WorkflowWrite[])[],
  ): Promise<(WorkflowWritten | undefined)[]> {
    const args = several.flat().flatMap(({ field, value, counter }) => [field, value, counter ?? '']);
    const reply = await this.held((client) => WRITE.run(client, [this.#key(flow)], args));
    if (!Array.isArray(reply)) return several.map(() => undefined);
    const [revoked, rows] = reply as [string | null, [string | null, number, number][]];
    return several.map(({ length }) => ({
      revoked: revoked ?? undefined,
      rows: rows
        .splice(0, length)
        .map(([before, count, extra]) => ({ before: before ?? undefined, count, extra })),
    }));
  }

  read(
    wanted: readonly { readonly flow: string; readonly fields: readonly string[] }[],
  ): Promise<(string | undefined)[][]> {
    return Promise.all(wanted.map(({ flow, fields }) => this.#reads.ask(flow, fields)));
  }

  /** Several reads of one record. */
  async #read(flow: string, several: readonly (readonly string[])[]): Promise<(string | undefined)[][]> {
    const fields = several.flat();
    // No pipeline: ioredis adds a method for every script of BullMQ's to each new one, and a tick is one write anyway.
    const values = await this.held((client) => client.hmget(this.#key(flow), ...fields));
    return several.map(({ length }) => values.splice(0, length).map((value) => value ?? undefined));
  }

  async watch(flow: string, at: number, sooner = false): Promise<void> {
    const score = Math.ceil(at);
    await this.held((client) =>
      sooner
        ? client.zadd(this.#key(WATCHED), 'LT', score, flow)
        : client.zadd(this.#key(WATCHED), score, flow),
    );
  }

  async unwatch(flow: string): Promise<void> {
    await this.held((client) => client.zrem(this.#key(WATCHED), flow));
  }

  async due(now: number, limit: number, leaseMs: number): Promise<DueWorkflows> {
    const reply = await this.held((client) =>
      DUE.run(client, [this.#key(WATCHED)], [Math.floor(now), limit, leaseMs]),
    );
    const [next, flows] = reply as [string, string[]];
    return { flows, nextAt: next === '' ? undefined : Number(next) };
  }

  async expire(flow: string, ttlMs: number): Promise<void> {
    await this.held((client) => client.pexpire(this.#key(flow), ms(ttlMs)));
  }

  async remove(flow: string): Promise<void> {
    await this.held((client) => client.unlink(this.#key(flow)));
  }

  #key(flow: string): string {
    return `${this.keyPrefix}${flow}`;
  }
}

/** Each write is some commands, so a small one weighs too. */
function weightOf(writes: readonly WorkflowWrite[]): number {
  return writes.reduce((bytes, { value }) => bytes + value.length + 1_000, 0);
}

function ms(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs));
}
