/**
 * Ends of tasks that fall into one tick go to Redis in one call, each with the fetch of the next task that goes with it.
 * The call runs the text of BullMQ's own script once for each, so what it does is BullMQ's to the letter. It saves a
 * command, a reply and most of the keys for each end. What ends alone goes alone, and nothing waits longer than its tick.
 */
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

/** Most ends in a call, so that other clients of the broker get their turn. */
const MOST = 32;
/** From this many on they go in two calls, unless others are under way: worker and broker must not take turns. */
const DIVIDED = 4;
/** Longest value that goes with others, characters: larger ones would hold them up. */
const LONGEST = 16_384;
/** After this long the script leaves the rest for another call, µs: an end may remove a thousand old records. */
const STEP_US = 4000;

/** Of BullMQ's script: its number of keys, and which of them is the job's. */
const KEYS = 14;
const JOB = 11;
/** Of the arguments behind the keys: job, moment, field, value, target, whether to fetch, prefix, options, more fields. */
const VALUE = 3;
const TARGET = 4;
/** Field, target and prefix are the same for all of a call; the others are each end's own. */
const SHARED = [2, TARGET, 6] as const;
const OWN = [0, 1, VALUE, 5, 7, 8] as const;

/** The end of one job, in the arguments of BullMQ's script. */
interface End {
  readonly args: readonly unknown[];
  resolve(reply: unknown): void;
  reject(error: unknown): void;
}

export interface EndsTogetherParams {
  /** Ends one, by BullMQ's own command. */
  alone(args: readonly unknown[]): Promise<unknown>;
  /** The connection that BullMQ uses for it. */
  readonly client: () => RedisClient;
  /** Ends many; undefined if they cannot go together. */
  readonly script: () => LuaScript | undefined;
}

export class EndsTogether {
  #waiting: End[] = [];
  /** Ends that were sent and have no answer so far. */
  #sent = 0;
  readonly #answered = () => {
    this.#sent--;
  };
  readonly #flush = () => {
    const ends = this.#waiting;
    this.#waiting = [];
    const script = ends.length > 1 ? this.params.script() : undefined;
    if (script === undefined) for (const end of ends) this.#again(end);
    else for (const some of this.#divided(ends)) this.#send(script, some);
  };

  constructor(private readonly params: EndsTogetherParams) {}

  /** Ends a job. Resolves with the answer of BullMQ's script to it. */
  end(args: readonly unknown[]): Promise<unknown> {
    // While Redis has nothing to do, it gets the first at once.
    if (this.#sent === 0 && this.#waiting.length === 0) return this.#alone(args);
    return new Promise((resolve, reject) => {
      // After the microtasks: by then all that ended in this tick are here.
      if (this.#waiting.push({ args, resolve, reject }) === 1) process.nextTick(this.#flush);
    });
  }

  /** The ends of each call: of one target, since they share its key. */
  #divided(ends: readonly End[]): End[][] {
    const kinds = new Map<unknown, End[]>();
    for (const end of ends) {
      const kind = isLarge(end) ? end : end.args[KEYS + TARGET];
      const known = kinds.get(kind);
      if (known === undefined) kinds.set(kind, [end]);
      else known.push(end);
    }
    return [...kinds.values()].flatMap((some) => {
      const least = some.length >= DIVIDED && this.#sent < some.length / 2 ? 2 : 1;
      const calls = Math.max(least, Math.ceil(some.length / MOST));
      const size = Math.ceil(some.length / calls);
      return Array.from({ length: calls }, (_, i) => some.slice(i * size, (i + 1) * size));
    });
  }

  #alone(args: readonly unknown[]): Promise<unknown> {
    this.#sent++;
    const reply = this.params.alone(args);
    reply.then(this.#answered, this.#answered);
    return reply;
  }

  #again(end: End): void {
    this.#alone(end.args).then(end.resolve, end.reject);
  }

  #send(script: LuaScript, ends: readonly End[]): void {
    const [first] = ends;
    if (first === undefined || ends.length === 1) {
      if (first !== undefined) this.#again(first);
      return;
    }
    const keys = first.args.slice(0, KEYS) as string[];
    const args = SHARED.map((at) => first.args[KEYS + at]) as string[];
    for (const end of ends) {
      keys.push(end.args[JOB] as string);
      for (const at of OWN) args.push((end.args[KEYS + at] ?? '') as string);
    }
    this.#sent += ends.length;
    script.run(this.params.client(), keys, args).then(
      (replies) => this.#settle(ends, replies as unknown[]),
      (error: unknown) => {
        this.#sent -= ends.length;
        for (const end of ends) end.reject(error);
      },
    );
  }

  #settle(ends: readonly End[], replies: readonly unknown[]): void {
    this.#sent -= ends.length;
    for (const [i, end] of ends.entries()) {
      const reply = replies[i];
      if (i >= replies.length) this.#again(end);
      else if (reply instanceof Error) end.reject(reply);
      else end.resolve(reply);
    }
  }
}

function isLarge({ args }: End): boolean {
  const value = args[KEYS + VALUE];
  return typeof value === 'string' && value.length > LONGEST;
}

/**
 * A script that runs the text of BullMQ's once for each end.
 * KEYS those of the first end, then each one's job · ARGV field, target, prefix, then each one's own
 * @returns the answers in order, an error where it gave one; fewer than ends when it took too long
 */
export function endsScript(lua: string): LuaScript {
  const [definitions, body] = halvesOf(lua);
  return new LuaScript(
    -1,
    `${definitions}
local function finish(KEYS, ARGV)
${body}
end
local keys, out = {}, {}
for i = 1, ${KEYS} do keys[i] = KEYS[i] end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local began = now()
for i = ${KEYS + 1}, #KEYS do
  local n, at = i - ${KEYS}, ${SHARED.length} + (i - ${KEYS + 1}) * ${OWN.length}
  keys[${JOB + 1}] = KEYS[i]
  local own = { ARGV[at + 1], ARGV[at + 2], ARGV[1], ARGV[at + 3], ARGV[2], ARGV[at + 4], ARGV[3], ARGV[at + 5], ARGV[at + 6] }
  local ok, got = pcall(finish, keys, own)
  if ok then
    out[n] = got
  else
    out[n] = { err = type(got) == 'table' and got.err or tostring(got) }
  end
  if n % 4 == 0 and now() - began > ${STEP_US} then break end
end
return out`,
  );
}

/** The definitions of BullMQ's text, made once a call, and what it does. Where that is not plain: nothing, and all of it. */
function halvesOf(lua: string): [string, string] {
  const at = lua.search(/^local \w+ = KEYS\[/m);
  const definitions = lua.slice(0, Math.max(0, at)).replace(/--\[\[.*?\]\]/gs, '');
  return at < 0 || /\b(?:KEYS|ARGV)\b/.test(definitions) ? ['', lua] : [definitions, lua.slice(at)];
}
