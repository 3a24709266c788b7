/** What an outbox is once it is used: its database, its table, its relay and its calls. */
import type { Engine, EngineConfig } from '../../broker/broker.js';
import { type CheckResult, ok, problem, warning } from '../../broker/check-result.js';
import { openDatabase, type PostgresTarget } from '../../broker/postgres/server.js';
import { asked, provenOpen } from '../../broker/postgres/transaction.js';
import type { PgWire } from '../../broker/postgres/wire.js';
import type { TransactedCall } from '../../broker/transacted-call.js';
import type { Logger } from '../../options/logger.js';
import type { TransactionLink } from '../../options/transaction.js';
import { idsOf, readCall } from './calls.js';
import type { OutboxCounts, OutboxEntry } from './entry.js';
import { RecordedCall, type RecordingGround } from './recording.js';
import { OutboxRelay } from './relay.js';
import { OutboxReplay, type ReplayParams } from './replay.js';
import { type AsideRow, insertion, OutboxTable, withAdvice } from './table.js';

export interface OutboxParams {
  /** The app's name, for errors. */
  readonly name: string;
  readonly prefix: string;
  /** The option `outbox`. */
  readonly target: PostgresTarget | undefined;
  /** How long relayed calls are kept, ms. */
  readonly keepMs: number;
  readonly database: EngineConfig;
  readonly engine: Engine;
  /** What calls are written down with. */
  recording(): RecordingGround;
  /** What the relay sends with. */
  replay(): ReplayParams;
  logger(): Logger;
}

/** Calls that wait longer are a warning of the doctor, ms. */
const LONG_MS = 60_000;
/** Most calls looked through for the id of a task. */
const MOST_LISTED = 100_000;

/** A call that is written down. */
export interface WrittenDown extends TransactedCall {
  readonly parts: RecordedCall;
}

export class OutboxOpened {
  readonly database: PgWire;
  readonly table: OutboxTable;

  constructor(
    private readonly params: OutboxParams,
    target: PostgresTarget,
  ) {
    this.database = openDatabase(params.database, target);
    this.table = new OutboxTable(this.database, params.prefix);
  }

  relay(): OutboxRelay {
    const { prefix, keepMs, logger } = this.params;
    const { database, table } = this;
    const replay = new OutboxReplay(this.params.replay());
    return new OutboxRelay({ app: prefix, database, table, replay, keepMs, logger });
  }

  begin(link: TransactionLink): WrittenDown {
    const { prefix, engine } = this.params;
    const parts = new RecordedCall(this.params.recording());
    const finish = async () => {
      const rows = parts.rows();
      if (rows.length === 0) return;
      const text = insertion(prefix, rows, link.avoid);
      const write = async () => {
        const answer = await asked(link, text);
        return { rows: [...answer], rowCount: answer.length };
      };
      await provenOpen(link, write).catch((error: unknown) => {
        throw withAdvice(error, 'the database of this transaction');
      });
    };
    return { engine, parts, finish };
  }

  async entries(limit: number): Promise<OutboxEntry[]> {
    return (await this.table.setAside(limit)).map(entryOf);
  }

  async retry(ids: readonly string[] | undefined): Promise<string[]> {
    if (ids === undefined) return this.table.retry('all');
    const wanted = new Set(ids);
    const found = (await this.entries(MOST_LISTED)).filter(
      ({ id, tasks }) => wanted.has(id) || tasks.some((task) => wanted.has(task.id)),
    );
    return found.length === 0 ? [] : this.table.retry(found.map(({ id }) => id));
  }

  /** Never rejects. */
  async examine(): Promise<CheckResult[]> {
    const { database, table } = this;
    try {
      if (await table.isMigrated()) return findings(await table.counts());
      const found = `there is no table celeriac_outbox at ${database.address}`;
      return [problem('outbox', found, 'Make it: "celeriac migrate --outbox".')];
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      return [problem('outbox', found, 'Check the option outbox, and the way to its database.')];
    }
  }
}

function findings({ waiting, setAside, oldestMs }: OutboxCounts): CheckResult[] {
  const backlog = `${waiting} waiting, the oldest for ${Math.round(oldestMs / 1000)} s`;
  const late = warning(
    'outbox',
    backlog,
    'Start a worker with the option outbox, or "celeriac outbox"; or see what keeps those from the broker.',
  );
  const about =
    waiting === 0 ? ok('outbox', 'nothing waits') : oldestMs < LONG_MS ? ok('outbox', backlog) : late;
  if (setAside === 0) return [about];
  const aside = problem(
    'outbox',
    `${setAside} could not be sent and ${setAside === 1 ? 'was' : 'were'} set aside`,
    'See "celeriac outbox list"; "celeriac outbox retry" relays them again.',
  );
  return [about, aside];
}

function entryOf({ id, calls, calledAt, setAsideAt, reason }: AsideRow): OutboxEntry {
  return { id, tasks: tasksIn(calls), calledAt, setAsideAt, reason };
}

/** A row that cannot be read names no tasks. */
function tasksIn(calls: string): OutboxEntry['tasks'] {
  try {
    return idsOf(readCall(calls));
  } catch {
    return [];
  }
}
