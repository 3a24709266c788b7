/**
 * Takes large results out of BullMQ's event streams on Redis (see `large-results`). A worker that has just told some looks
 * through what is new in the stream, in steps that hold up the broker for a few milliseconds at most.
 */
import { type BackendFactory, createRedisBackend, type IQueueBackend } from 'bullmq';
import { EVENTS_BACK, LARGEST_EVENT } from '../large-results.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

/** Results that end close together are taken out together. */
const AFTER_MS = 20;
/** A step looks at so many events, and reads so much of large ones. */
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
    local told = entry[2][6]
    if told and #told > ${LARGEST_EVENT} and entry[2][2] == 'completed' and jobs[entry[2][4]] then
      redis.call('XDEL', KEYS[1], entry[1])
      bytes = bytes + #told
    end
    if newest == '' then newest = entry[1] end
    from = '(' .. entry[1]
  end
  count = count + #entries
end
return { newest, from }`,
);

/** Parts of BullMQ 6.7's Redis backend that are its own affair; the pinned version keeps them as they are. */
interface QueueEventsInternals {
  readonly queue: { readonly keys: { readonly events: string } };
  readonly moveToFinishedKeys: readonly unknown[];
  moveToFinished(jobId: string, args: readonly unknown[]): Promise<unknown>;
}

/** Among the arguments of its script, behind the keys. */
const VALUE = 3;
const TARGET = 4;

/** BullMQ's Redis backend, which tells large results no longer than it has to. */
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
  /** Whose large results were told since the last look, at most as many as a stream keeps. */
  #jobs = new Set<string>();
  /** Up to here the last look went; a result told during it may lie before that, so one look back is looked through again. */
  #seen = '-';
  #seenBefore = '-';

  constructor(
    private readonly client: RedisClient,
    private readonly key: string,
  ) {}

  /** Takes large events out soon. Best effort: what stays goes with the events after it. */
  lighten(jobId: string): void {
    if (this.#jobs.size === 0)
      setTimeout(() => {
        const jobs = [...this.#jobs];
        this.#jobs = new Set();
        this.#lookThrough(jobs).catch(() => undefined); // they go with the events after them
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
