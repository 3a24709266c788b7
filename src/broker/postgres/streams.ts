/**
 * The Streams port on PostgreSQL and PGlite: a row for each chunk, and a row for each stream that counts them and carries
 * its expiry. Whoever appends locks that row. The notice leaves with the append, in its transaction; an embedded engine
 * has its own way to notify.
 */
import { chunkTopic } from '../notice-channels.js';
import { type ChunkWrite, PAGE_BYTES, type StreamPage, type Streams } from '../streams.js';
import { noticeOf } from './notices.js';
import type { PgNotices, PgQuery } from './wire.js';

/** The tables and functions, made with the schema. The functions find the tables by the search path: a schema may be renamed. */
export function streamTables(schema: string): string {
  return `
CREATE TABLE IF NOT EXISTS "${schema}".celeriac_stream (
  id text PRIMARY KEY,
  origin text NOT NULL,
  attempt bigint NOT NULL,
  first bigint NOT NULL,
  next bigint NOT NULL,
  bytes bigint NOT NULL,
  expire_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS celeriac_stream_expire_idx ON "${schema}".celeriac_stream (expire_at);
CREATE TABLE IF NOT EXISTS "${schema}".celeriac_chunk (
  id text NOT NULL,
  n bigint NOT NULL,
  at bigint NOT NULL,
  chunk text NOT NULL,
  PRIMARY KEY (id, n)
);

CREATE OR REPLACE FUNCTION "${schema}".celeriac_stream_append(
  the_queue text, the_id text, the_token text, the_origin text, the_attempt bigint, the_first bigint,
  moments bigint[], chunks text[], most_chunks bigint, most_bytes bigint, ttl_ms double precision,
  the_channel text, the_notice text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  s record;
  added bigint;
  dropped bigint;
  gone bigint;
BEGIN
  LOOP
    SELECT * INTO s FROM celeriac_stream t WHERE t.id = the_id FOR UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO celeriac_stream (id, origin, attempt, first, next, bytes, expire_at)
      VALUES (the_id, the_origin, the_attempt, the_first, the_first, 0, 'infinity') ON CONFLICT DO NOTHING;
  END LOOP;
  -- Not before: the append may have waited for the row, and the task begun anew elsewhere meanwhile.
  PERFORM 1 FROM job j
    WHERE j.queue = the_queue AND j.id = the_id AND j.state = 'active' AND j.lock_token = the_token;
  IF NOT FOUND THEN
    -- A row that was made above.
    DELETE FROM celeriac_stream t WHERE t.id = the_id AND t.expire_at = 'infinity';
    RETURN false;
  END IF;
  IF s.origin <> the_origin OR s.attempt <> the_attempt OR s.expire_at <= now() THEN
    DELETE FROM celeriac_chunk c WHERE c.id = the_id;
    s.first := the_first;
    s.next := the_first;
    s.bytes := 0;
  END IF;
  WITH written AS (
    INSERT INTO celeriac_chunk (id, n, at, chunk)
      SELECT the_id, the_first + w.i - 1, w.at, w.chunk
        FROM unnest(moments, chunks) WITH ORDINALITY AS w(at, chunk, i) WHERE the_first + w.i - 1 >= s.next
      RETURNING octet_length(chunk) AS size)
  SELECT coalesce(sum(size), 0), count(*) INTO added, gone FROM written;
  s.bytes := s.bytes + added;
  s.next := s.next + gone;
  IF s.next - s.first > most_chunks THEN
    WITH removed AS (
      DELETE FROM celeriac_chunk c WHERE c.id = the_id AND c.n < s.next - most_chunks
        RETURNING octet_length(c.chunk) AS size)
    SELECT coalesce(sum(size), 0) INTO dropped FROM removed;
    s.bytes := s.bytes - dropped;
    s.first := s.next - most_chunks;
  END IF;
  IF s.bytes > most_bytes AND s.next - s.first > 1 THEN
    -- The oldest chunks up to the one with which the rest is little enough; never the last chunk.
    WITH sums AS (
      SELECT c.n, octet_length(c.chunk) AS size,
             sum(octet_length(c.chunk)) OVER (ORDER BY c.n) - octet_length(c.chunk) AS before
        FROM celeriac_chunk c WHERE c.id = the_id AND c.n < s.next - 1),
    removed AS (
      DELETE FROM celeriac_chunk c USING sums WHERE c.id = the_id AND c.n = sums.n AND s.bytes - sums.before > most_bytes
        RETURNING sums.size)
    SELECT coalesce(sum(size), 0), count(*) INTO dropped, gone FROM removed;
    s.bytes := s.bytes - dropped;
    s.first := s.first + gone;
  END IF;
  UPDATE celeriac_stream t SET origin = the_origin, attempt = the_attempt, first = s.first, next = s.next,
      bytes = s.bytes, expire_at = now() + ttl_ms * interval '1 millisecond'
    WHERE t.id = the_id;
  IF the_channel IS NOT NULL THEN PERFORM pg_notify(the_channel, the_notice); END IF;
  RETURN true;
END $$;`;
}

const APPEND = `
SELECT celeriac_stream_append($1, $2, $3, $4, $5::bigint, $6::bigint, $7::bigint[], $8::text[], $9::bigint,
  $10::bigint, $11::double precision, $12, $13) AS written`;

const ALIVE = 's.expire_at > now()';

// The sums end a page of large chunks early. One row at least, which tells of the stream.
const READ = `
SELECT s.origin, s.attempt, s.first, s.next, p.n, p.at, p.chunk FROM celeriac_stream s LEFT JOIN LATERAL (
  SELECT c.*, sum(octet_length(c.chunk)) OVER (ORDER BY c.n) - octet_length(c.chunk) AS before FROM (
    SELECT n, at, chunk FROM celeriac_chunk k
     WHERE k.id = s.id AND k.n >= greatest(s.first, $2::bigint) AND k.n < s.next ORDER BY k.n LIMIT $3) AS c
  ) AS p ON p.before < ${PAGE_BYTES}
 WHERE s.id = $1 AND ${ALIVE} ORDER BY p.n`;

const EXPIRE = `
UPDATE celeriac_stream s SET expire_at = now() + $2::double precision * interval '1 millisecond'
 WHERE s.id = $1 AND ${ALIVE}`;

// Both in one step. What an append adds meanwhile waits for the row of the stream, and makes another.
const REMOVE = `
WITH gone AS (DELETE FROM celeriac_stream s WHERE s.id = ANY($1::text[]) RETURNING s.id)
DELETE FROM celeriac_chunk c USING gone WHERE c.id = gone.id`;

/** So many streams are looked at in one step. */
const RECLAIM_STREAMS = 50;

// The oldest first. The row that says it has expired goes last: what is left of a stream stays expired.
const EXPIRED = `
SELECT id FROM celeriac_stream WHERE expire_at <= now() ORDER BY expire_at, id LIMIT ${RECLAIM_STREAMS}`;

const RECLAIM_CHUNKS = `
DELETE FROM celeriac_chunk c USING (
  SELECT k.id, k.n FROM (${EXPIRED}) AS gone JOIN celeriac_chunk k ON k.id = gone.id LIMIT $1) AS chosen
 WHERE c.id = chosen.id AND c.n = chosen.n`;

const RECLAIM_COUNTS = `
DELETE FROM celeriac_stream s WHERE s.id IN (${EXPIRED}) AND s.expire_at <= now()
   AND NOT EXISTS (SELECT 1 FROM celeriac_chunk c WHERE c.id = s.id)`;

export class PgStreams implements Streams {
  constructor(
    private readonly query: PgQuery,
    private readonly schema: string,
    /** Sends notices inside this process; undefined where the database does. */
    private readonly inside: Pick<PgNotices, 'send'> | undefined,
  ) {}

  async append(write: ChunkWrite): Promise<boolean> {
    const { ref, token, origin, attempt, first, chunks, mostChunks, mostBytes, ttlMs } = write;
    const { inside } = this;
    const notice = noticeOf(this.schema, chunkTopic(ref.id));
    const { rows } = await this.query(APPEND, [
      ref.queue,
      ref.id,
      token,
      origin,
      attempt,
      first,
      chunks.map(({ at }) => at),
      chunks.map(({ text }) => text),
      mostChunks,
      mostBytes,
      ttlMs,
      inside === undefined ? notice.channel : null,
      notice.payload,
    ]);
    await inside?.send([notice]);
    return rows[0]?.written === true;
  }

  async read(id: string, from: number, most: number): Promise<StreamPage | undefined> {
    const { rows } = await this.query(READ, [id, from, most]);
    const [row] = rows;
    if (row === undefined) return undefined;
    const chunks = rows.flatMap(({ n, at, chunk }) =>
      n === null ? [] : [{ index: Number(n), at: Number(at), text: String(chunk) }],
    );
    const { origin, attempt, first, next } = row;
    return {
      origin: String(origin),
      attempt: Number(attempt),
      first: Number(first),
      next: Number(next),
      chunks,
    };
  }

  async expire(id: string, ttlMs: number): Promise<void> {
    await this.query(EXPIRE, [id, ttlMs]);
  }

  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.query(REMOVE, [[...ids]]);
  }

  /** Removes up to `rows` chunks of expired streams; whether more may be left. */
  async reclaim(rows: number): Promise<boolean> {
    const chunks = (await this.query(RECLAIM_CHUNKS, [rows])).rowCount;
    const counts = (await this.query(RECLAIM_COUNTS)).rowCount;
    return chunks >= rows || counts >= RECLAIM_STREAMS;
  }
}
