/**
 * Finds and repairs jobs on Redis with unreadable fields, such as options that another program wrote and that are not JSON.
 * BullMQ's script has fetched such a job when BullMQ fails to decode it. The job would stay active without a run, be found
 * stalled, and be fetched again, for ever. Used only after such a failure; the lock's token identifies the job. Must never
 * change a readable field.
 */
import type { Salvage } from '../broker.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

// KEYS[1] active list · ARGV[1] what job keys begin with · ARGV[2] token · ARGV[3] another job with that token, or ''
// returns the job that is locked by this token, or nil
const FIND = new LuaScript(
  1,
  `
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if id ~= ARGV[3] and redis.call('GET', ARGV[1] .. id .. ':lock') == ARGV[2] then return id end
end
return false`,
);

/** The format of each field, and the value that replaces an unreadable one. Without `instead` the field is deleted. */
const FIELDS: readonly {
  readonly name: string;
  readonly readable: (text: string) => boolean;
  readonly instead?: string;
}[] = [
  { name: 'opts', readable: isObject, instead: '{}' },
  { name: 'parent', readable: isObject },
  { name: 'progress', readable: isJson },
  { name: 'ats', readable: isCount, instead: '1' },
  { name: 'atm', readable: isCount },
  { name: 'attemptsMade', readable: isCount },
  { name: 'stc', readable: isCount },
];

/** @param run runs a body with the connected client; fails fast */
export function redisSalvage(
  run: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>,
  prefix: string,
): Salvage {
  return {
    find: (queue, token, except = '') =>
      run(async (client) => {
        const base = `${prefix}:${queue}:`;
        const id = await FIND.run(client, [`${base}active`], [base, token, except]);
        return typeof id === 'string' ? id : undefined;
      }),
    mend: (queue, id) =>
      run(async (client) => {
        const key = `${prefix}:${queue}:${id}`;
        const texts = await client.hmget(key, ...FIELDS.map(({ name }) => name));
        const broken = FIELDS.filter(({ readable }, i) => {
          const text = texts[i];
          return text != null && !readable(text);
        });
        for (const { name, instead } of broken)
          await (instead === undefined ? client.hdel(key, name) : client.hset(key, name, instead));
        return broken.map(({ name }) => name);
      }),
  };
}

function isJson(text: string): boolean {
  try {
    // BullMQ treats an empty text as absent.
    return text === '' || JSON.parse(text) !== undefined;
  } catch {
    return false;
  }
}

function isObject(text: string): boolean {
  if (text === '') return true;
  if (!isJson(text)) return false;
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(text: string): boolean {
  return /^-?\d{1,15}$/.test(text);
}
