/**
 * The Streams port on Redis: a Redis stream for the chunks of a task, with an entry `<attempt + 1>-<index + 1>` for each,
 * and a hash of counts beside it. One script appends, drops what is too much, and publishes the notice.
 */
import { chunkTopic, routeOf } from '../notice-channels.js';
import { type ChunkWrite, PAGE_BYTES, type StreamPage, type Streams } from '../streams.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

// KEYS counts, chunks, lock · ARGV token, origin, attempt, index of the first, most chunks, most bytes, ttl in ms,
// command, channel, notice, then moment and text of each chunk · returns 1, or 0 when the lock is not ours
const APPEND = new LuaScript(
  3,
  `
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
local attempt, index = ARGV[3], tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'origin', 'attempt', 'first', 'next', 'bytes')
local first, next, bytes = tonumber(known[3]), tonumber(known[4]), tonumber(known[5])
if known[1] ~= ARGV[2] or known[2] ~= attempt then
  redis.call('UNLINK', KEYS[2])
  first, next, bytes = index, index, 0
end
for i = 11, #ARGV, 2 do
  if index >= next then
    redis.call('XADD', KEYS[2], (attempt + 1) .. '-' .. (index + 1), 'at', ARGV[i], 'chunk', ARGV[i + 1])
    bytes = bytes + #ARGV[i + 1]
    next = index + 1
  end
  index = index + 1
end
local mostChunks, mostBytes = tonumber(ARGV[5]), tonumber(ARGV[6])
while next - first > mostChunks or (bytes > mostBytes and next - first > 1) do
  local some = math.max(1, math.min(next - first - mostChunks, 100))
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', some)
  if #oldest == 0 then first = next break end
  for _, entry in ipairs(oldest) do
    bytes = bytes - #entry[2][4]
    redis.call('XDEL', KEYS[2], entry[1])
  end
  first = first + #oldest
end
redis.call('HSET', KEYS[1], 'origin', ARGV[2], 'attempt', attempt, 'first', first, 'next', next, 'bytes', bytes)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call(ARGV[8], ARGV[9], ARGV[10])
return 1`,
);

// KEYS counts, chunks · ARGV index of the first, most chunks
// returns origin, attempt, first, next, index of the first returned, then moment and text of each; or nil
const READ = new LuaScript(
  2,
  `
local known = redis.call('HMGET', KEYS[1], 'origin', 'attempt', 'first', 'next')
if not known[1] then return false end
local index = math.max(tonumber(ARGV[1]), tonumber(known[3]))
local out = { known[1], known[2], known[3], known[4], tostring(index) }
local left, bytes = tonumber(ARGV[2]), 0
while left > 0 and index < tonumber(known[4]) and bytes < ${PAGE_BYTES} do
  local entries = redis.call('XRANGE', KEYS[2], (known[2] + 1) .. '-' .. (index + 1), '+', 'COUNT', math.min(left, 25))
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    if bytes > 0 and bytes + #entry[2][4] > ${PAGE_BYTES} then return out end
    bytes = bytes + #entry[2][4]
    out[#out + 1] = entry[2][2]
    out[#out + 1] = entry[2][4]
  end
  left = left - #entries
  index = index + #entries
end
return out`,
);

// KEYS counts, chunks · ARGV ttl in ms
const EXPIRE = new LuaScript(
  2,
  `
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])`,
);

export interface RedisStreamsParams {
  /** Runs a body with the connected client, and keeps the process alive meanwhile. */
  readonly held: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>;
  /** Before the ids of jobs: of the hashes of counts, and of the streams. */
  readonly keys: { readonly counts: string; readonly chunks: string };
  readonly channelPrefix: string;
  readonly sharded: boolean;
  lockKey(ref: ChunkWrite['ref']): string;
}

export class RedisStreams implements Streams {
  constructor(private readonly params: RedisStreamsParams) {}

  async append(write: ChunkWrite): Promise<boolean> {
    const { sharded, channelPrefix, lockKey, held } = this.params;
    const { ref, token, origin, attempt, first, chunks, mostChunks, mostBytes, ttlMs } = write;
    const { channel, mark } = routeOf(chunkTopic(ref.id));
    const args: (string | number)[] = [token, origin, attempt, first, mostChunks, mostBytes, wholeMs(ttlMs)];
    args.push(sharded ? 'spublish' : 'publish', channelPrefix + channel, mark);
    for (const { at, text } of chunks) args.push(at, text);
    const keys = [...this.#keys(ref.id), lockKey(ref)];
    return (await held((client) => APPEND.run(client, keys, args))) === 1;
  }

  async read(id: string, from: number, most: number): Promise<StreamPage | undefined> {
    const reply = await this.params.held((client) => READ.run(client, this.#keys(id), [from, most]));
    if (!Array.isArray(reply)) return undefined;
    const [origin = '', attempt, first, next, index, ...rest] = reply as string[];
    const chunks = [];
    for (let i = 0; i < rest.length; i += 2)
      chunks.push({ index: Number(index) + i / 2, at: Number(rest[i]), text: rest[i + 1] ?? '' });
    return { origin, attempt: Number(attempt), first: Number(first), next: Number(next), chunks };
  }

  async expire(id: string, ttlMs: number): Promise<void> {
    await this.params.held((client) => EXPIRE.run(client, this.#keys(id), [wholeMs(ttlMs)]));
  }

  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.params.held((client) => client.unlink(...ids.flatMap((id) => this.#keys(id))));
  }

  #keys(id: string): string[] {
    return [this.params.keys.counts + id, this.params.keys.chunks + id];
  }
}

function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs));
}
