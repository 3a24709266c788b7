/**
 * Publishes notices on Redis, a batch in one command. The notice of a completed job carries the job's value. The script
 * reads the value from the job itself, so it is the same that any reader finds, and a refused completion (a lost lock)
 * publishes none.
 */
import { TELLS } from '../notice-channels.js';
import { LuaScript } from './lua-script.js';
import type { RedisClient } from './url.js';

/** An outgoing notice. A class for the same reason as `JobDelivery`. */
export class Notice {
  constructor(
    readonly mark: string,
    /** The key of the job whose value the notice carries if the job has completed. */
    readonly jobKey: string | undefined,
  ) {}
}

/** Longest value that a notice carries, bytes. Listeners read longer values themselves. */
const LONGEST_VALUE = 1_000;

// KEYS[1] any key of the prefix (routing), then job hashes
// ARGV[1] command · per channel: its name, how many notices, and for each its mark and its job's place among KEYS, or 0
const SEND = new LuaScript(
  -1,
  `
local at, heard = 2, {}
while at <= #ARGV do
  local channel, count = ARGV[at], tonumber(ARGV[at + 1])
  local notices = {}
  at = at + 2
  for i = 1, count do
    local notice, place = ARGV[at], tonumber(ARGV[at + 1])
    at = at + 2
    if place > 0 then
      local job = redis.call('HMGET', KEYS[place], 'finishedOn', 'returnvalue')
      local value = job[2]
      if job[1] and value and #value <= ${LONGEST_VALUE} and not string.find(value, '\\n', 1, true) then
        notice = notice .. '${TELLS}' .. value
      end
    end
    notices[i] = notice
  end
  heard[#heard + 1] = redis.call(ARGV[1], channel, table.concat(notices, '\\n'))
end
return heard`,
);

/**
 * Publishes the notices of each channel.
 * @returns how many connections each channel reached, in the order of `outbox`
 */
export async function sendNotices(
  client: RedisClient,
  command: 'publish' | 'spublish',
  channelPrefix: string,
  outbox: ReadonlyMap<string, readonly Notice[]>,
): Promise<readonly number[]> {
  const [only] = outbox;
  if (outbox.size === 1 && only !== undefined) {
    const [channel, [notice, ...others]] = only;
    if (notice !== undefined && notice.jobKey === undefined && others.length === 0)
      return [Number(await client[command](channelPrefix + channel, notice.mark))];
  }
  const keys = [channelPrefix];
  const args: (string | number)[] = [command];
  for (const [channel, notices] of outbox) {
    args.push(channelPrefix + channel, notices.length);
    for (const { mark, jobKey } of notices) args.push(mark, jobKey === undefined ? 0 : keys.push(jobKey));
  }
  return (await SEND.run(client, keys, args)) as number[];
}
