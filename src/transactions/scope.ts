/**
 * Makes calls in a caller's transaction: the same sender and launcher as ever, over an engine that is bound to the
 * transaction, and made anew for each call. Loaded by the first such call.
 */
import type { Engine } from '../broker/broker.js';
import type { TransactedCall } from '../broker/transacted-call.js';
import type { SendWatch } from '../calls/send-watch.js';
import { Sender, type SenderParams } from '../calls/sender.js';
import { UniqueCalls } from '../calls/unique.js';
import { Launcher, type LauncherParams } from '../canvas/workflow/launch.js';
import type { PlainSource, WorkflowResults } from '../canvas/workflow/results.js';
import { Workflows, type WorkflowsParams } from '../canvas/workflow/workflows.js';
import { TaskIdIndex } from '../coordination/task-id-index.js';
import { CeleriacError, OptionError } from '../errors.js';
import type { AcceptanceRule } from '../options/acceptance.js';
import { linkOf, type TransactionLink, type TransactionOption } from '../options/transaction.js';
import { Producer } from '../queue/producer.js';
import { TaskReader } from '../results/task-reader.js';
import type { WrittenDown } from './outbox/opened.js';
import type { Outbox } from './outbox/outbox.js';
import { RecordingLauncher } from './outbox/recording.js';
import { samePostgres } from './same-database.js';

/** What calls in a transaction take from their app. */
export interface ScopeParams {
  /** The app's own engine. */
  readonly engine: Engine;
  readonly sending: Omit<SenderParams, 'engine' | 'index' | 'producer' | 'unique' | 'events' | 'uncommitted'>;
  readonly workflows: Omit<WorkflowsParams, 'engine' | 'clock'>;
  /** Reads results, outside of the transaction. */
  readonly results: WorkflowResults;
  readonly plain: PlainSource;
  /** Refuses what this broker cannot accept. */
  readonly acceptance: AcceptanceRule;
  /** Carries calls where the engine itself cannot. */
  readonly outbox: Outbox;
}

/** What a call in a transaction is made with. */
export interface CallScope {
  readonly sender: Sender;
  readonly launcher: Launcher;
}

/** Runs one call, or one `publish`, in a transaction. */
export async function inTransaction<R>(
  params: ScopeParams,
  transaction: TransactionOption,
  body: (scope: CallScope) => Promise<R>,
): Promise<R> {
  const call = await begin(params, linkOf(transaction, 'transaction'));
  const result = await body('parts' in call ? writtenDown(params, call) : scopeOn(params, call.engine));
  await call.finish();
  return result;
}

async function begin(
  { engine, outbox }: ScopeParams,
  link: TransactionLink,
): Promise<TransactedCall | WrittenDown> {
  const { sql } = engine;
  if (sql !== undefined && (await samePostgres(sql, link))) {
    const { transactedCall } = await import('../broker/postgres/transaction.js');
    return transactedCall(engine, sql, link);
  }
  if (outbox.configured) return outbox.begin(link);
  throw new OptionError(
    sql === undefined
      ? `transaction: the broker at ${engine.address} is in no database that ${link.library} could write to. Set the ` +
          "app's option outbox to a pool or URL of that database, whose relay sends the tasks after the commit."
      : `transaction: ${link.library} is in another database than the broker at ${engine.address}. Give one of the ` +
          "broker's database, or set the app's option outbox, whose relay sends the tasks after the commit.",
  );
}

function scopeOn(params: ScopeParams, engine: Engine): CallScope {
  const { clock } = params.sending;
  const { publishRetryMs } = params.workflows;
  const workflows = new Workflows({ ...params.workflows, engine, clock });
  const tasks = new TaskReader(engine, workflows.parts);
  const parts = {
    clock,
    index: new TaskIdIndex(engine, tasks, clock, publishRetryMs),
    // Without retries: a statement that failed has aborted the transaction.
    producer: new Producer(engine, 0, params.acceptance),
    unique: new UniqueCalls(engine, tasks, clock, publishRetryMs),
  };
  return scopeOf(
    { params, engine, parts, reading: () => ({ workflows, tasks }) },
    (made) => new Launcher(made),
  );
}

/** The scope of a call for the outbox. */
function writtenDown(params: ScopeParams, { engine, parts }: WrittenDown): CallScope {
  const reading = () => {
    const workflows = new Workflows({ ...params.workflows, engine, clock: parts.clock });
    return { workflows, tasks: new TaskReader(engine, workflows.parts) };
  };
  return scopeOf({ params, engine, parts, reading }, (made) => new RecordingLauncher(made, parts));
}

interface ScopeMakings {
  readonly params: ScopeParams;
  readonly engine: Engine;
  readonly parts: Pick<SenderParams, 'clock' | 'index' | 'producer' | 'unique'>;
  /** What workflows need beside. */
  reading(): { readonly workflows: Workflows; readonly tasks: TaskReader };
}

function scopeOf(
  { params, engine, parts, reading }: ScopeMakings,
  launcher: (made: LauncherParams) => Launcher,
): CallScope {
  const { sending, plain } = params;
  const { clock, index, producer, unique } = parts;
  const own = { engine, clock, index, producer, unique };
  const sender = new Sender({ ...sending, ...own, events: UNHEARD, uncommitted: true });
  return {
    sender,
    /** Made for workflows only. */
    get launcher() {
      const { ids, tracing } = sending;
      const { workflows, tasks } = reading();
      const { jobs } = tasks;
      const neighbours = {
        ...own,
        ids,
        tracing,
        jobs,
        results: plain,
        inTransaction: noOther,
      };
      const flows = workflows.connect({ ...neighbours, sender: () => sender });
      return launcher({ ...flows, ...neighbours, results: params.results });
    },
  };
}

/** A call in a transaction makes no call in another. */
const noOther = () =>
  Promise.reject(new CeleriacError('A call in a transaction was given another transaction.'));

/** No event tells of a call that may never have been. */
const UNHEARD: SendWatch = {
  active: false,
  settling: undefined,
  meet: async () => undefined,
  sending: () => () => undefined,
};
