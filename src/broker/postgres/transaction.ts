/**
 * An engine on the connection of a caller's transaction, for one call: what it writes is there at the commit, and never
 * after a rollback. Statements bind nothing and name the schema, since the connection is not ours. It must run nothing
 * once its call is over, must not retry (a failed statement has aborted the transaction), and must write nothing outside
 * of a transaction.
 */
import { createPostgresBackend, type IQueueBackend, LATEST_SCHEMA_VERSION } from 'bullmq';
import { BrokerError, CeleriacError, OptionError } from '../../errors.js';
import type { TransactionLink, TransactionRow } from '../../options/transaction.js';
import { addFlow } from '../add-flow.js';
import type { Engine, Notices } from '../broker.js';
import type { SqlGround } from '../sql-ground.js';
import type { TransactedCall } from '../transacted-call.js';
import { amendData, readEnded, readJobs } from './jobs.js';
import { inlined, literal } from './literal.js';
import { noticeOf } from './notices.js';
import { PgRecords } from './records.js';
import type { PgResult, PgRow } from './wire.js';
import { FLOW_WRITE, PgWorkflowRecords } from './workflow-records.js';

// Tells on its own whether the transaction has written before. One that has is certainly a transaction block.
export const HAS_WRITTEN = 'pg_current_xact_id_if_assigned() IS NOT NULL';

/** The statements of BullMQ's that add jobs. */
const ADDS = /\b(?:add_job|add_flow)\(/;
/** For `add_jobs_bulk`, with the same parameters: that makes a temporary table, in the session of the caller. */
const ADD_MANY = 'SELECT id FROM add_flow($2::jsonb) AS t(id)';
const TABLES = /\b(FROM|JOIN|INTO|UPDATE)\s+(job|celeriac_\w+)\b/g;
const FUNCTIONS = /\b(add_job|add_flow|promote)\(/g;
const COMMENTS = /^--.*\n/gm;

/** Begins a call on the connection of a caller's transaction, in the database of `engine`. */
export function transactedCall(engine: Engine, sql: SqlGround, link: TransactionLink): TransactedCall {
  const statements = new TransactionStatements(sql.schema, link);
  const query = (text: string, params?: readonly unknown[]) => statements.run(text, params);
  const notices = new HeldNotices(engine.signals);
  const backends = new Map<string, IQueueBackend>();
  const backend = async (queue: string): Promise<IQueueBackend> => {
    // Notes the queue as used, and finds out whether the schema is there, outside of the transaction.
    await engine.backend(queue);
    const made = backends.get(queue) ?? backendOn(queue, statements);
    backends.set(queue, made);
    return made;
  };
  const { places, steps, streams, queues, broadcast, relayed } = engine;
  const transacted: Engine = {
    kind: engine.kind,
    address: engine.address,
    // Its answers have no deadline: a statement may wait for another transaction.
    oneProcess: true,
    records: new PgRecords(query, false),
    flows: new PgWorkflowRecords(query),
    signals: notices,
    places,
    steps,
    streams,
    queues,
    broadcast,
    relayed,
    ready: () => engine.ready(),
    backend,
    bullmq: () => engine.bullmq(),
    addTogether: async (jobs) => {
      const [first] = jobs;
      if (first !== undefined) await addFlow(await backend(first.queue), '', jobs);
    },
    readJobs: (refs) => readJobs(query, refs),
    readEnded: (refs) => readEnded(query, refs),
    amendData: (ref, was, data) => amendData(query, ref, was, data),
    readHeads: (refs) => engine.readHeads(refs),
    readDelayed: (from, limit) => engine.readDelayed(from, limit),
    uncount: (ref) => engine.uncount(ref),
    reclaim: async () => false,
    serverTime: () => engine.serverTime(),
    answers: () => engine.answers(),
    hold: () => engine.hold(),
    isUnavailable: () => false,
    wasThere: (error) => engine.wasThere(error),
    examine: () => engine.examine(),
    examineAddresses: () => engine.examineAddresses(),
    migrate: () => engine.migrate(),
    close: async () => undefined,
  };
  return { engine: transacted, finish: () => statements.notify(notices.topics) };
}

/** What was sent last by each transaction: some libraries accept no statement while another is under way. */
const TAILS = new WeakMap<object, Promise<unknown>>();

class TransactionStatements {
  #inTransaction: Promise<unknown> | undefined;

  constructor(
    private readonly schema: string,
    private readonly link: TransactionLink,
  ) {}

  async run(text: string, params?: readonly unknown[]): Promise<PgResult> {
    const { link, schema } = this;
    if (text.includes('add_jobs_bulk(')) return this.run(ADD_MANY, params);
    if (text === FLOW_WRITE) {
      await this.#checked();
      return this.#send(flowWrite(schema, inlined(text, params, link.avoid)));
    }
    const statement = inlined(qualified(text, schema).replace(/;\s*$/, ''), params, link.avoid);
    if (ADDS.test(text)) return this.#add(statement);
    await this.#checked();
    return this.#send(statement);
  }

  /** Sends notices, which arrive at the commit. */
  async notify(topics: ReadonlySet<string>): Promise<void> {
    if (topics.size === 0) return;
    const rows = [...topics].map((topic) => {
      const { channel, payload } = noticeOf(this.schema, topic);
      return `(${literal(channel)}, ${literal(payload)})`;
    });
    await this.#send(
      `SELECT pg_notify(channel, payload)::text AS sent FROM (VALUES ${rows.join(', ')}) AS notice(channel, payload)`,
    );
  }

  /** Adds jobs. One statement checks and adds, if the transaction has written before. */
  async #add(statement: string): Promise<PgResult> {
    const guarded = `SELECT added.* FROM (${statement}) AS added WHERE ${HAS_WRITTEN}`;
    return this.#proven(() => this.#send(guarded));
  }

  /** @throws {OptionError} when no transaction was begun: each statement would be one of its own */
  #checked(): Promise<unknown> {
    this.#inTransaction ??= this.#proven(() => this.#send(`SELECT 1 AS one WHERE ${HAS_WRITTEN}`));
    return this.#inTransaction;
  }

  async #proven(guarded: () => Promise<PgResult>): Promise<PgResult> {
    return provenOpen(this.link, guarded);
  }

  /** Runs a statement. What it selects comes as one text a row: libraries rename columns, and convert types. */
  async #send(text: string): Promise<PgResult> {
    const selects = /^\s*SELECT\b/.test(text);
    const sent = selects ? `SELECT row_to_json(found)::text AS found FROM (${text}) AS found` : text;
    const given = await asked(this.link, sent);
    const rows = selects ? given.map(({ found }) => JSON.parse(String(found)) as PgRow) : [...given];
    return { rows, rowCount: rows.length };
  }
}

/**
 * Runs a statement that does nothing, and gives no row, unless {@link HAS_WRITTEN}.
 * @throws {OptionError} when no transaction was begun: each statement would be one of its own
 */
export async function provenOpen(link: TransactionLink, guarded: () => Promise<PgResult>): Promise<PgResult> {
  const first = await guarded();
  if (first.rowCount > 0) return first;
  // Counts as a write; but outside of a transaction this statement is one of its own, and over at once.
  await asked(link, 'SELECT pg_current_xact_id()::text AS id');
  const second = await guarded();
  if (second.rowCount > 0) return second;
  throw new OptionError(
    `transaction: ${link.library} was given that is in no transaction, so nothing was sent. Begin one, call with ` +
      'transaction inside it, and commit it.',
  );
}

/** Runs a statement after those that the transaction was given before. */
export function asked(link: TransactionLink, text: string): Promise<readonly TransactionRow[]> {
  const before = TAILS.get(link.handle) ?? Promise.resolve();
  const answer = before
    .then(() => link.query(text))
    .catch((error: unknown) => {
      throw refused(error);
    });
  TAILS.set(
    link.handle,
    answer.catch(() => undefined), // the caller gets it
  );
  return answer;
}

/** BullMQ's backend of a queue, on the caller's connection. */
function backendOn(queue: string, statements: TransactionStatements): IQueueBackend {
  const query = async (text: string, params?: readonly unknown[]): Promise<PgResult> =>
    // The engine has checked the schema.
    text.includes('"bullmq".migration') ? CHECKED_SCHEMA : statements.run(text.replace(COMMENTS, ''), params);
  const pool: unknown = {
    options: { keepAlive: true },
    query,
    connect: async () => ({ query, release: () => undefined }),
    end: async () => undefined,
    on: () => undefined,
  };
  return createPostgresBackend(queue, { connection: pool as never });
}

const CHECKED_SCHEMA: PgResult = {
  rows: [
    {
      version: LATEST_SCHEMA_VERSION,
      min_client_version: 0,
      server_version_num: '1000000',
      server_version: '',
    },
  ],
  rowCount: 1,
};

/** Holds notices back until the call is over, so that none is sent after the commit. */
class HeldNotices implements Notices {
  readonly ordered = true;
  readonly topics = new Set<string>();

  constructor(private readonly under: Notices) {}

  notify(topic: string): void {
    this.topics.add(topic);
  }

  hint(topic: string): void {
    this.topics.add(topic);
  }

  subscribe: Notices['subscribe'] = (topic, listener) => this.under.subscribe(topic, listener);
  unsubscribe: Notices['unsubscribe'] = (topic, listener) => this.under.unsubscribe(topic, listener);

  onGap(): void {}

  expect(): void {}

  surelyUnnotified(): boolean {
    return false;
  }
}

/** Names the schema of tables and functions: the connection's search path is the caller's. */
function qualified(text: string, schema: string): string {
  return text.replace(TABLES, `$1 "${schema}".$2`).replace(FUNCTIONS, `"${schema}".$1(`);
}

/** The function behind `write` finds its tables by the search path, which is set around it, in one statement. */
function flowWrite(schema: string, statement: string): string {
  const call = statement.replace(/^SELECT /, `"${schema}".`).replace(/ AS reply$/, '');
  return (
    `SELECT set_config('search_path', '"${schema}"', true) AS ours, ${call} AS reply, ` +
    "set_config('search_path', before.path, true) AS theirs " +
    "FROM (SELECT current_setting('search_path') AS path OFFSET 0) AS before"
  );
}

/** What the database, or the caller's library, said to a statement. */
function refused(error: unknown): CeleriacError {
  if (error instanceof CeleriacError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (sqlStateOf(error) === '25P02')
    return new BrokerError(
      'transaction: it is aborted, because an earlier statement in it failed, so nothing was sent. Roll it back.',
      { cause: error },
    );
  return new BrokerError(
    `transaction: a statement of this call failed, so the transaction has to be rolled back: ${message}`,
    { cause: error },
  );
}

/** How deep libraries wrap the driver's error. */
const DEEPEST = 5;

/** The SQLSTATE of an error, however the library wraps it. */
export function sqlStateOf(error: unknown, depth = 0): string | undefined {
  if (typeof error !== 'object' || error === null || depth > DEEPEST) return undefined;
  for (const name of ['code', 'originalCode', 'sqlState']) {
    const code: unknown = Reflect.get(error, name);
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^P\d{4}$/.test(code)) return code;
  }
  for (const name of ['cause', 'driverError', 'meta', 'driverAdapterError']) {
    const state = sqlStateOf(Reflect.get(error, name), depth + 1);
    if (state !== undefined) return state;
  }
  return undefined;
}
