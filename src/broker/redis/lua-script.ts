/**
 * A Lua script of ours. Sent by its digest, and in full only when the server does not know the script yet.
 */
import { createHash } from 'node:crypto';
import type { RedisClient } from './url.js';

export class LuaScript {
  readonly #sha: string;

  constructor(
    /** The number of keys of every call; -1 when it varies. */
    private readonly keyCount: number,
    private readonly lua: string,
  ) {
    this.#sha = createHash('sha1').update(lua).digest('hex');
  }

  async run(
    client: RedisClient,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    const count = this.keyCount < 0 ? keys.length : this.keyCount;
    try {
      return await client.evalsha(this.#sha, count, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return await client.eval(this.lua, count, ...keys, ...args);
    }
  }
}
