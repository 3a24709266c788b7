/**
 * Removes large results from BullMQ's event streams on Redis (see `large-results`). After a worker has published some, it
 * searches the new entries of the stream, in steps that block the broker for a few milliseconds at most.
 */
import { type BackendFactory, createRedisBackend, type IQueueBackend } from 'bullmq';
import { EVENTS_BACK, LARGEST_EVENT } from '../large-results.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

/** Results that end close together are removed together: wait before a search, ms. */
const AFTER_MS = 20;
/** Most events per step, and most bytes of large ones. */
const STEP = 200;
const STEP_BYTES = 4 * 2 ** 20;

// KEYS[1] event stream · ARGV from, to: newest first; then the jobs that were completed here · entries are read a few at a time, since any may be large
// returns the newest id looked at, and the last one when there may be more
const TAKE_OUT = new LuaScript(
  1,
  `
local from, newest, count, bytes = ARGV[1], '', 0, 0
local jobs = {}
for i = 3, #ARGV do jobs[ARGV[i]] = true end
while count < ${STEP} and bytes < ${STEP_BYTES} do
  local entries = redis.call('XREVRANGE', KEYS[1], from, ARGV[2], 'COUNT', 4)
  if #entries == 0 then return { newest, '' } end
  for _, entry in ipairs(entries) do
    local result = entry[2][6]
    if result and #result > ${LARGEST_EVENT} and entry[2][2] == 'completed' and jobs[entry[2][4]] then
      redis.call('XDEL', KEYS[1], entry[1])
      bytes = bytes + #result
    end
    if newest == '' then newest = entry[1] end
    from = '(' .. entry[1]
  end
  count = count + #entries
end
return { newest, from }`,
);

/** Private parts of BullMQ 6.7's Redis backend. BullMQ's version is pinned, so they do not change. */
interface QueueEventsInternals {
  readonly queue: { readonly keys: { readonly events: string } };
  readonly moveToFinishedKeys: readonly unknown[];
  moveToFinished(jobId: string, args: readonly unknown[]): Promise<unknown>;
}

/** Positions among the arguments of BullMQ's script, behind the keys. */
const VALUE = 3;
const TARGET = 4;

/** BullMQ's Redis backend, with large results removed from its events soon after they were published. */
export const leanRedisBackend = ((name, opts, parts) => {
  const backend = createRedisBackend(name, opts, parts);
  const inside = backend as unknown as QueueEventsInternals;
  const finish = inside.moveToFinished.bind(backend);
  const stream = new EventStream(opts.connection as RedisClient, inside.queue.keys.events);
  inside.moveToFinished = (jobId, args) => {
    const finished = finish(jobId, args);
    const at = inside.moveToFinishedKeys.length;
    const value = args[at + VALUE];
    const large = typeof value === 'string' && value.length > LARGEST_EVENT;
    if (!large || args[at + TARGET] !== 'completed') return finished;
    return finished.then((next) => {
      stream.lighten(jobId);
      return next;
    });
  };
  return backend;
}) as BackendFactory<IQueueBackend, never>;

class EventStream {
  /** Jobs whose large results were published since the last search, `EVENTS_BACK` at most. */
  #jobs = new Set<string>();
  /**
   * The end of the last search. A result published during that search may lie before it, so the next search starts at the
   * end of the search before.
   */
  #seen = '-';
  #seenBefore = '-';

  constructor(
    private readonly client: RedisClient,
    private readonly key: string,
  ) {}

  /** Removes the large event of a job soon. Best effort: an event that stays expires with the stream's others. */
  lighten(jobId: string): void {
    if (this.#jobs.size === 0)
      setTimeout(() => {
        const jobs = [...this.#jobs];
        this.#jobs = new Set();
        this.#lookThrough(jobs).catch(() => undefined); // BullMQ trims the events that stay
      }, AFTER_MS).unref();
    if (this.#jobs.size < EVENTS_BACK) this.#jobs.add(jobId);
  }

  async #lookThrough(jobs: readonly string[]): Promise<void> {
    const to = this.#seenBefore;
    this.#seenBefore = this.#seen;
    let from = '+';
    for (let looked = 0; looked < EVENTS_BACK && from !== ''; looked += STEP) {
      const [newest, next] = (await TAKE_OUT.run(this.client, [this.key], [from, to, ...jobs])) as [
        string,
        string,
      ];
      if (from === '+' && newest !== '') this.#seen = `(${newest}`;
      from = next;
    }
  }
}
