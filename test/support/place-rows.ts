/** Looks into the broker for what is left of the places of a limit. */
import type { Engine } from '#src/broker/broker.js';
import { storedKey } from '#src/broker/postgres/stored-key.js';
import type { PgWire } from '#src/broker/postgres/wire.js';
import type { RedisClient } from '#src/broker/redis/url.js';

/** How many members or rows there are of a name. Reaches for the engine's own connection: each kind of broker has another. */
export async function placeRowsOf(engine: Engine, name: string): Promise<number> {
  if (engine.kind === 'postgres' || engine.kind === 'embedded') {
    const { wire } = engine as unknown as { wire: PgWire };
    const { rows } = await wire.calls(
      `SELECT (SELECT count(*) FROM celeriac_limit WHERE name = $1)
            + (SELECT count(*) FROM celeriac_place WHERE name = $1) AS count`,
      [storedKey(name)],
    );
    return Number(rows[0]?.count);
  }
  const { held, keys } = engine.places as unknown as {
    held: <R>(body: (client: RedisClient) => Promise<R>) => Promise<R>;
    keys: { holders: string; waiters: string };
  };
  const all = [`${keys.holders}${name}`, `${keys.waiters}${name}`];
  return held(async (client) =>
    (await Promise.all(all.map((key) => client.zcard(key)))).reduce((sum, n) => sum + n, 0),
  );
}
