/**
 * Renews the locks of running jobs on Redis, for the lock thread. Must not import BullMQ: the thread would take longer to
 * load it than most workers take to be ready. The layout (`<key>:lock` holds the token, `stalled` the suspected jobs) is
 * BullMQ 6's; test/integration/clocks.test.ts fails when an upgrade changes it.
 */

import type { EngineConfig } from '../broker.js';
import type { LockRenewal } from '../lock-renewal.js';
import { RedisConnection } from './connection.js';
import { LuaScript } from './lua-script.js';
import { parseRedisUrl } from './url.js';

// KEYS[1] the queue's suspects · ARGV the queue's key, ms, then id and token of each job
const EXTEND = new LuaScript(
  1,
  `
local gone = {}
for i = 3, #ARGV, 2 do
  local lock = ARGV[1] .. ARGV[i] .. ':lock'
  if redis.call('GET', lock) == ARGV[i + 1] then
    redis.call('PEXPIRE', lock, ARGV[2])
    redis.call('SREM', KEYS[1], ARGV[i])
  else
    gone[#gone + 1] = ARGV[i]
  end
end
return gone`,
);

/** Opens a lock renewal with its own connection, which keeps the lock thread alive. */
export function renewOnRedis(url: string, config: EngineConfig): LockRenewal {
  const target = parseRedisUrl(url);
  const link = new RedisConnection(target, config, 'fail-fast', 'locks');
  link.setHeld(true);
  const prefix = target.kind === 'cluster' ? `{${config.prefix}}` : config.prefix;
  return {
    connect: () => link.ready(),
    extend: async (queue, locks, durationMs) => {
      await link.ready();
      const key = `${prefix}:${queue}:`;
      const pairs = locks.flatMap(({ jobId, token }) => [jobId, token]);
      return (await EXTEND.run(link.client, [`${key}stalled`], [key, durationMs, ...pairs])) as string[];
    },
  };
}
