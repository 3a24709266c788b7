/**
 * The RelayedJobs port on Redis: marks are members of one sorted set, scored by when they expire. A MULTI holds BullMQ's
 * own scripts between two of ours. The first sets the marks. A job whose mark was there already gets an empty place
 * under its key, so that BullMQ's script takes it for a duplicate and adds nothing; the second script removes that place
 * again. The second also takes back the mark of a call whose job was refused (a server without memory).
 */
import { type IQueueBackend, type JobJson, QueueKeys } from 'bullmq';
import { MARK_MS, RELEASED_MARK_MS, type RelayedCall, type RelayedJobs } from '../relayed-jobs.js';
import type { RedisClient } from './url.js';

// KEYS[1] marks, then job hashes · ARGV now, expiry, then for each call: its mark and how many jobs
const BEFORE = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
local at = 2
for i = 3, #ARGV, 2 do
  local fresh = redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[i]) == 1
  for _ = 1, tonumber(ARGV[i + 1]) do
    if not fresh and redis.call('EXISTS', KEYS[at]) == 0 then redis.call('HSET', KEYS[at], '~relayed', '1') end
    at = at + 1
  end
end
return 1`;

// KEYS and ARGV as above · returns the marks that were taken back
const AFTER = `
local at, refused = 2, {}
for i = 3, #ARGV, 2 do
  local missing = false
  for _ = 1, tonumber(ARGV[i + 1]) do
    if redis.call('HEXISTS', KEYS[at], '~relayed') == 1 then redis.call('DEL', KEYS[at])
    elseif redis.call('EXISTS', KEYS[at]) == 0 then missing = true end
    at = at + 1
  end
  local isNew = redis.call('ZSCORE', KEYS[1], ARGV[i]) == ARGV[2]
  if missing and isNew and redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then refused[#refused + 1] = ARGV[i] end
end
return refused`;

/** Public parts of BullMQ's Redis backend beyond its port, and its client. BullMQ's version is pinned. */
interface BackendInternals {
  readonly queue: { readonly client: Promise<{ multi(): Transaction }> };
  addJobToTransaction(
    multi: Transaction,
    job: JobJson,
    jobId: string,
    parentKeyOpts: object,
    keys: Readonly<Record<string, string>>,
  ): Promise<unknown>;
}

interface Transaction {
  eval(script: string, keyCount: number, ...rest: (string | number)[]): unknown;
  exec(): Promise<[Error | null, unknown][] | null>;
}

export interface RedisRelayedJobsParts {
  /** Runs a body with the connected client, and keeps the process alive meanwhile. */
  readonly held: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>;
  readonly backend: (queue: string) => Promise<IQueueBackend>;
  readonly prefix: string;
}

export class RedisRelayedJobs implements RelayedJobs {
  readonly #marks: string;

  constructor(private readonly parts: RedisRelayedJobsParts) {
    this.#marks = `${parts.prefix}:~o`;
  }

  async add(calls: readonly RelayedCall[]): Promise<void> {
    const jobs = calls.flatMap((call) => call.jobs);
    if (calls.length === 0) return;
    const now = Date.now();
    // Workflows of empty groups only.
    if (jobs.length === 0) return this.#mark(calls, now + MARK_MS);
    // Notes every queue as in use.
    const queues = new Set(jobs.map(({ queue }) => queue));
    const [backend] = await Promise.all([...queues].map((queue) => this.parts.backend(queue)));
    const { prefix } = this.parts;
    const keys = [this.#marks, ...jobs.map(({ queue, jobId }) => `${prefix}:${queue}:${jobId}`)];
    const args = [now, now + MARK_MS, ...calls.flatMap((call) => [call.mark, call.jobs.length])];
    const names = new QueueKeys(prefix);
    await this.parts.held(async () => {
      const inside = backend as unknown as BackendInternals;
      const multi = (await inside.queue.client).multi();
      multi.eval(BEFORE, keys.length, ...keys, ...args);
      for (const { queue, jobId, job } of jobs)
        await inside.addJobToTransaction(multi, job, jobId, {}, names.getKeys(queue));
      multi.eval(AFTER, keys.length, ...keys, ...args);
      for (const [error] of (await multi.exec()) ?? []) if (error !== null) throw error;
    });
  }

  async #mark(calls: readonly RelayedCall[], at: number): Promise<void> {
    await this.parts.held((client) =>
      client.zadd(this.#marks, 'NX', ...calls.flatMap(({ mark }) => [at, mark])),
    );
  }

  async seen(marks: readonly string[]): Promise<boolean[]> {
    if (marks.length === 0) return [];
    const scores = await this.parts.held((client) =>
      Promise.all(marks.map((mark) => client.zscore(this.#marks, mark))),
    );
    const now = Date.now();
    return scores.map((score) => score !== null && Number(score) > now);
  }

  async release(marks: readonly string[]): Promise<void> {
    if (marks.length === 0) return;
    const at = Date.now() + RELEASED_MARK_MS;
    await this.parts.held((client) => client.zadd(this.#marks, 'XX', ...marks.flatMap((mark) => [at, mark])));
  }
}
