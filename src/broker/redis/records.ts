/**
 * The Records port on Redis: one hash per record, `v` the value and `n` its version, changed by small scripts.
 */
import type { Records, StoredRecord } from '../broker.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

// KEYS[1] record · ARGV value, ttl in ms or '' · returns 1, or 0 when the key is taken
const CREATE = new LuaScript(
  1,
  `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'n', 1)
if ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`,
);

// KEYS[1] record · ARGV expected version, value, ttl in ms or '' · returns 1, or 0 when the version is another
const REPLACE = new LuaScript(
  1,
  `
if redis.call('HGET', KEYS[1], 'n') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'n', ARGV[1] + 1)
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) else redis.call('PERSIST', KEYS[1]) end
return 1`,
);

// KEYS[1] record · ARGV expected version or '' · returns 1, or 0 when nothing was removed
const REMOVE = new LuaScript(
  1,
  `
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'n') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`,
);

export class RedisRecords implements Records {
  constructor(
    /** Runs a body with the connected client, and keeps the process alive meanwhile. */
    private readonly held: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>,
    private readonly keyPrefix: string,
  ) {}

  async create(key: string, value: string, ttlMs?: number): Promise<boolean> {
    return this.held(
      async (client) => (await CREATE.run(client, [this.#key(key)], [value, ttl(ttlMs)])) === 1,
    );
  }

  async read(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    if (keys.length === 0) return [];
    const replies = await this.held((client) =>
      Promise.all(keys.map((key) => client.hmget(this.#key(key), 'v', 'n'))),
    );
    return replies.map(([value, version]) =>
      value == null ? undefined : { value, version: Number(version) },
    );
  }

  async replace(key: string, version: number, value: string, ttlMs?: number): Promise<boolean> {
    return this.held(
      async (client) => (await REPLACE.run(client, [this.#key(key)], [version, value, ttl(ttlMs)])) === 1,
    );
  }

  async remove(key: string, version?: number): Promise<boolean> {
    return this.held(async (client) => (await REMOVE.run(client, [this.#key(key)], [version ?? ''])) === 1);
  }

  #key(key: string): string {
    return `${this.keyPrefix}${key}`;
  }
}

function ttl(ttlMs: number | undefined): number | '' {
  return ttlMs === undefined ? '' : Math.max(1, Math.ceil(ttlMs));
}
