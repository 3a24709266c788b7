/**
 * The Places port on PostgreSQL and PGlite: one row per holder or waiter, and one row per name that counts them. Every
 * change of a name's places must lock that row first, so that there are never more holders than the limit.
 */
import type { JobRef } from '../job-ref.js';
import { type Asking, type Entered, type Holder, MOST_DOUBTED, type Places, type Room } from '../places.js';
import { storedKey } from './stored-key.js';
import type { PgQuery } from './wire.js';

/** SQL for the tables and functions. The functions find the tables by the search path, since a schema may be renamed. */
export function placeTables(schema: string): string {
  return `
CREATE TABLE IF NOT EXISTS "${schema}".celeriac_limit (
  name text PRIMARY KEY,
  held bigint NOT NULL,
  listed bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS "${schema}".celeriac_place (
  name text NOT NULL,
  queue text NOT NULL,
  id text NOT NULL,
  held boolean NOT NULL,
  -- Since when it holds a place, or its turn in the line.
  rank bigint NOT NULL,
  PRIMARY KEY (name, queue, id)
);
CREATE INDEX IF NOT EXISTS celeriac_place_rank_idx ON "${schema}".celeriac_place (name, held, rank);

-- Hands out who holds a place for long. Whoever is being handed out or leaves just now is passed over.
CREATE OR REPLACE FUNCTION "${schema}".celeriac_place_doubted(the_name text, the_before bigint, the_now bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  handed jsonb;
BEGIN
  WITH aged AS (
    SELECT p.queue, p.id FROM celeriac_place p WHERE p.name = the_name AND p.held AND p.rank <= the_before
     ORDER BY p.rank LIMIT ${MOST_DOUBTED} FOR UPDATE SKIP LOCKED),
  marked AS (
    UPDATE celeriac_place p SET rank = the_now FROM aged
     WHERE p.name = the_name AND p.queue = aged.queue AND p.id = aged.id RETURNING p.queue, p.id)
  SELECT coalesce(jsonb_agg(jsonb_build_object('queue', queue, 'id', id)), '[]') INTO handed FROM marked;
  RETURN handed;
END $$;

-- Counts those who are gone, and gives free places to the first in line. Only for who has locked the row of the name.
CREATE OR REPLACE FUNCTION "${schema}".celeriac_place_given(
  the_name text, gone_held bigint, gone_listed bigint, the_limit bigint, the_now bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  holding bigint;
  waiting bigint;
  moved bigint;
  given jsonb;
BEGIN
  SELECT l.held - gone_held, l.listed - gone_listed INTO holding, waiting
    FROM celeriac_limit l WHERE l.name = the_name;
  WITH line AS (
    SELECT p.queue, p.id, p.rank FROM celeriac_place p WHERE p.name = the_name AND NOT p.held
     ORDER BY p.rank LIMIT greatest(0, least(the_limit - holding, waiting))),
  took AS (
    UPDATE celeriac_place p SET held = true, rank = the_now FROM line
     WHERE p.name = the_name AND p.queue = line.queue AND p.id = line.id
    RETURNING p.queue, p.id, line.rank AS turn)
  SELECT count(*), coalesce(jsonb_agg(jsonb_build_object('queue', queue, 'id', id) ORDER BY turn), '[]')
    INTO moved, given FROM took;
  IF holding + waiting = 0 THEN
    DELETE FROM celeriac_limit l WHERE l.name = the_name;
  ELSE
    UPDATE celeriac_limit l SET held = holding + moved, listed = waiting - moved WHERE l.name = the_name;
  END IF;
  RETURN given;
END $$;

CREATE OR REPLACE FUNCTION "${schema}".celeriac_place_enter(
  the_name text, the_queue text, the_id text, the_limit bigint, the_now bigint, most bigint, the_before bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  holding bigint;
  waiting bigint;
  has_place boolean;
BEGIN
  LOOP
    SELECT l.held, l.listed INTO holding, waiting FROM celeriac_limit l WHERE l.name = the_name FOR UPDATE;
    EXIT WHEN FOUND;
    -- Again: who made it first has it locked, or has removed it meanwhile.
    INSERT INTO celeriac_limit (name, held, listed) VALUES (the_name, 0, 0) ON CONFLICT DO NOTHING;
  END LOOP;
  SELECT p.held INTO has_place FROM celeriac_place p
   WHERE p.name = the_name AND p.queue = the_queue AND p.id = the_id;
  IF has_place THEN
    -- Another moment than before, whichever clock it goes by: only so an eviction knows it.
    UPDATE celeriac_place p SET rank = greatest(the_now, p.rank + 1)
     WHERE p.name = the_name AND p.queue = the_queue AND p.id = the_id;
    RETURN '{"held": true}';
  END IF;
  IF holding < the_limit THEN
    INSERT INTO celeriac_place AS p (name, queue, id, held, rank) VALUES (the_name, the_queue, the_id, true, the_now)
      ON CONFLICT (name, queue, id) DO UPDATE SET held = true, rank = excluded.rank;
    UPDATE celeriac_limit l SET held = l.held + 1, listed = l.listed - (has_place IS NOT NULL)::int
     WHERE l.name = the_name;
    RETURN '{"held": true}';
  END IF;
  IF has_place IS NULL AND waiting < most THEN
    INSERT INTO celeriac_place (name, queue, id, held, rank)
      SELECT the_name, the_queue, the_id, false, coalesce(max(p.rank), 0) + 1
        FROM celeriac_place p WHERE p.name = the_name AND NOT p.held;
    UPDATE celeriac_limit l SET listed = l.listed + 1 WHERE l.name = the_name;
    has_place := false;
  END IF;
  RETURN jsonb_build_object('held', false, 'listed', has_place IS NOT NULL,
    'doubted', celeriac_place_doubted(the_name, the_before, the_now));
END $$;

CREATE OR REPLACE FUNCTION "${schema}".celeriac_place_leave(
  the_name text, the_queue text, the_id text, the_limit bigint, the_now bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  had_place boolean;
BEGIN
  PERFORM 1 FROM celeriac_limit l WHERE l.name = the_name FOR UPDATE;
  DELETE FROM celeriac_place p WHERE p.name = the_name AND p.queue = the_queue AND p.id = the_id
    RETURNING p.held INTO had_place;
  IF NOT FOUND THEN RETURN '[]'; END IF;
  RETURN celeriac_place_given(the_name, had_place::int, (NOT had_place)::int, the_limit, the_now);
END $$;

CREATE OR REPLACE FUNCTION "${schema}".celeriac_place_evict(
  the_name text, dead jsonb, the_limit bigint, the_now bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  gone bigint;
BEGIN
  PERFORM 1 FROM celeriac_limit l WHERE l.name = the_name FOR UPDATE;
  WITH removed AS (
    DELETE FROM celeriac_place p USING jsonb_to_recordset(dead) AS d(queue text, id text, at bigint)
     WHERE p.name = the_name AND p.queue = d.queue AND p.id = d.id AND p.held AND p.rank = d.at RETURNING 1)
  SELECT count(*) INTO gone FROM removed;
  IF gone = 0 THEN RETURN '[]'; END IF;
  RETURN celeriac_place_given(the_name, gone, 0, the_limit, the_now);
END $$;`;
}

const ENTER =
  'SELECT celeriac_place_enter($1, $2, $3, $4::bigint, $5::bigint, $6::bigint, $7::bigint)::text AS reply';
const LEAVE = 'SELECT celeriac_place_leave($1, $2, $3, $4::bigint, $5::bigint)::text AS reply';
const EVICT = 'SELECT celeriac_place_evict($1, $2::jsonb, $3::bigint, $4::bigint)::text AS reply';
// Returns no row when a place is free. Reads without a lock.
const ROOM = `
SELECT celeriac_place_doubted(l.name, $3::bigint, $4::bigint)::text AS reply
  FROM celeriac_limit l WHERE l.name = $1 AND l.held >= $2::bigint`;

type EnterReply =
  | { readonly held: true }
  | { readonly held: false; readonly listed: boolean; readonly doubted: readonly JobRef[] };

export class PgPlaces implements Places {
  constructor(private readonly query: PgQuery) {}

  async enter(name: string, { queue, id }: JobRef, asking: Asking): Promise<Entered> {
    const { limit, now, mostWaiters, doubtedBefore } = asking;
    const params = [storedKey(name), queue, id, limit, now, mostWaiters, doubtedBefore];
    const reply = JSON.parse((await this.#reply(ENTER, params)) ?? '') as EnterReply;
    return reply.held ? reply : { ...reply, doubted: since(reply.doubted, now) };
  }

  async leave(name: string, limit: number, { queue, id }: JobRef, now: number): Promise<readonly JobRef[]> {
    return refsIn(await this.#reply(LEAVE, [storedKey(name), queue, id, limit, now]));
  }

  async room(name: string, { limit, now, doubtedBefore }: Omit<Asking, 'mostWaiters'>): Promise<Room> {
    const reply = await this.#reply(ROOM, [storedKey(name), limit, doubtedBefore, now]);
    return reply === undefined ? { free: true } : { free: false, doubted: since(refsIn(reply), now) };
  }

  async evict(name: string, limit: number, dead: readonly Holder[], now: number): Promise<readonly JobRef[]> {
    const who = JSON.stringify(dead.map(({ queue, id, at }) => ({ queue, id, at })));
    return refsIn(await this.#reply(EVICT, [storedKey(name), who, limit, now]));
  }

  async #reply(text: string, params: readonly unknown[]): Promise<string | undefined> {
    const { rows } = await this.query(text, params);
    return rows[0] === undefined ? undefined : String(rows[0].reply);
  }
}

function refsIn(text: string | undefined): JobRef[] {
  return JSON.parse(text ?? '[]') as JobRef[];
}

function since(refs: readonly JobRef[], at: number): Holder[] {
  return refs.map((ref) => ({ ...ref, at }));
}
