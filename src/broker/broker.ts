/**
 * The port that every engine implements: what the rest of celeriac may ask of a broker.
 * Each engine has a folder beside this file (`redis`, `postgres`, `embedded`); `open` picks one by URL.
 * Only `broker/` and `queue/` make BullMQ objects; the rooms above must not see them.
 */

import type { BackendFactory, IQueueBackend } from 'bullmq';
import type { OwnIds } from '../protocol/ids.js';
import type { CheckResult } from './check-result.js';
import type { JobRef } from './job-ref.js';
import type { NewJob } from './new-job.js';
import type { Places } from './places.js';
import type { QueueAdmin } from './queue-admin.js';
import type { RelayedJobs } from './relayed-jobs.js';
import type { SqlGround } from './sql-ground.js';
import type { StepRecords } from './steps.js';
import type { StoredJob } from './stored-job.js';
import type { Streams } from './streams.js';

export type { JobRef } from './job-ref.js';
export type { NewJob } from './new-job.js';
export type { StoredJob } from './stored-job.js';

/** Which kind of broker this is; for banners, checks and error texts, never for branching features. */
export type EngineKind = 'redis' | 'sentinel' | 'cluster' | 'postgres' | 'embedded';

/** Whether the engine stores jobs as jsonb, which sorts the keys of objects. */
export function sortsKeys({ kind }: { readonly kind: EngineKind }): boolean {
  return kind === 'postgres' || kind === 'embedded';
}

/** Finds and repairs jobs that BullMQ fetched and could not read. */
export interface Salvage {
  /** The id of the job that is locked by this token, other than `except`. Fails fast. */
  find(queue: string, token: string, except?: string): Promise<string | undefined>;
  /** Repairs the unreadable fields of a job; their values are lost. Fails fast. @returns the names of those fields */
  mend(queue: string, id: string): Promise<readonly string[]>;
}

/** What BullMQ's constructors need to work on this engine. */
export interface BullmqParts {
  /** BullMQ's `connection` option: an ioredis client, or an object like a Pool. Shared: BullMQ never closes it. */
  readonly connection: unknown;
  /** BullMQ's `prefix` option; absent for engines that separate apps by schema. */
  readonly prefix?: string;
  /** The last constructor argument of Queue, Worker and friends. */
  readonly factory: BackendFactory<IQueueBackend, never>;
  /** BullMQ's `backend` option for Relay; absent for the Redis backend. */
  readonly relay?: unknown;
  /**
   * Restores the marker of a queue, so that another worker wakes up. Present where waking up consumes the marker.
   * Fails fast.
   */
  readonly putMarkerBack?: (queue: string) => Promise<void>;
  /** Cuts a Worker off from its own connection for good, where closing could wait for a broker that never answers. */
  readonly sever?: (backend: IQueueBackend) => void;
  /** Absent where the broker accepts no unreadable jobs. */
  readonly salvage?: Salvage;
  /** Releases the connection after everything made with it is closed. May be called twice. Absent where nothing is held. */
  readonly release?: () => void;
}

/** A small record of our own. `version` rises with each change and guards `replace`. */
export interface StoredRecord {
  readonly value: string;
  readonly version: number;
}

/**
 * Small records with create-if-absent, compare-and-set and a time to live: our one primitive for all data that BullMQ
 * has no place for (ids, marks, plans, rates, elections). Keys are any string; values are text.
 */
export interface Records {
  /** Writes the record unless the key is taken. `false` when the key was taken. */
  create(key: string, value: string, ttlMs?: number): Promise<boolean>;
  /** Reads many in one round trip, in order. */
  read(keys: readonly string[]): Promise<(StoredRecord | undefined)[]>;
  /** Replaces the record if its version is still `version`; else `false`. Without `ttlMs` it no longer expires. */
  replace(key: string, version: number, value: string, ttlMs?: number): Promise<boolean>;
  /** Removes the record; with `version`, only if its version is still that. `false` when nothing was removed. */
  remove(key: string, version?: number): Promise<boolean>;
}

/** One write into a workflow's record. */
export interface WorkflowWrite {
  readonly field: string;
  readonly value: string;
  /** A counter that is incremented if the field is new. */
  readonly counter?: string;
}

/** The result of a write into a workflow's record. */
export interface WorkflowWritten {
  /** The value of the field {@link REVOKED}. If there is one, nothing was written. */
  readonly revoked: string | undefined;
  /** For each write, in order. */
  readonly rows: readonly {
    /** The earlier value, which stays; `undefined` when this write created the field. */
    readonly before: string | undefined;
    /** The counter, and its companion `<counter>+`; 0 for one that does not exist. */
    readonly count: number;
    readonly extra: number;
  }[];
}

/** The field that marks a workflow's outcome as final. Parts that still run beside a failure, and callbacks, write on. */
export const CLOSED = '!';
/** The field that marks a workflow as revoked, with the reason. Nothing is written into the record any more. */
export const REVOKED = '!r';
/** The field that every record of a workflow has from the start. Without this field the record does not exist. */
export const HEAD = 'is';
/** The field that holds the workflow's plan. */
export const PLAN = 'plan';

/** Workflows that are due to be checked. */
export interface DueWorkflows {
  readonly flows: readonly string[];
  /** When the next workflow is due, epoch ms; `undefined` when none is watched. */
  readonly nextAt: number | undefined;
}

/**
 * The records of workflows: fields that are written once (the first value stands) and counters, changed in one atomic
 * step. A record without the field {@link HEAD} does not exist, and nothing is written into it any more.
 */
export interface WorkflowRecords {
  /** Creates a record. `false` when it exists. */
  create(flow: string, plan: string, ttlMs: number): Promise<boolean>;
  /** Writes each field unless it exists. `undefined` when the record does not exist. */
  write(flow: string, writes: readonly WorkflowWrite[]): Promise<WorkflowWritten | undefined>;
  /** Reads fields of many records in one round trip, in order; `undefined` for a missing field. */
  read(
    wanted: readonly { readonly flow: string; readonly fields: readonly string[] }[],
  ): Promise<(string | undefined)[][]>;
  /**
   * Sets when a workflow is due to be checked, epoch ms.
   * @param sooner only if that is sooner than the moment already set
   */
  watch(flow: string, at: number, sooner?: boolean): Promise<void>;
  /** Stops watching a workflow. */
  unwatch(flow: string): Promise<void>;
  /** Leases the workflows that are due by now to the caller. Other callers get them after `leaseMs` at the earliest. */
  due(now: number, limit: number, leaseMs: number): Promise<DueWorkflows>;
  /** Lets the record expire after this long. */
  expire(flow: string, ttlMs: number): Promise<void>;
  remove(flow: string): Promise<void>;
}

/** Called with each notice of a topic. `value`: the result of the completed job as JSON, if the notice carries it. */
export type NoticeListener = (value?: string) => void;

/** Notifies the listeners of a topic, mostly a task's id. Notices may be lost; sweeps make up for that. */
export interface Notices {
  /**
   * True if a notice sent while its write is under way arrives after the write. If false, notify once the write has
   * resolved: a waiter that looks too early finds nothing and needs another notice.
   */
  readonly ordered: boolean;
  /**
   * Notifies the listeners of this topic in all processes. Best effort; batches the notices of one tick.
   * @param ended the job that completes by the write under way. If the engine can, the notice carries the stored value,
   *   so that listeners need not read it. Only for jobs whose value is all that listeners need.
   */
  notify(topic: string, ended?: JobRef): void;
  /** As `notify`, for topics that listeners also poll. Mostly skipped while no listener is known. */
  hint(topic: string): void;
  /** Resolves once a later `notify` from any process is certain to reach `listener`. */
  subscribe(topic: string, listener: NoticeListener): Promise<void>;
  /** Idempotent; the listener is not called again. */
  unsubscribe(topic: string, listener: NoticeListener): void;
  /** Calls `listener` when notices may have been missed (a connection was lost and is back): check everything. */
  onGap(listener: () => void): void;
  /** Announces the ids of this process. Once one of their topics is subscribed to, the engine may listen to all ahead. */
  expect(ids: OwnIds): void;
  /**
   * True if there was certainly no notice of this topic, an id of this process, since the id was made. A caller that
   * subscribes in the same tick need not read the task.
   */
  surelyUnnotified(topic: string): boolean;
}

/** The longest text of a {@link Broadcast}, bytes: PostgreSQL's NOTIFY accepts 8,000. */
export const BROADCAST_BYTES = 7500;

/**
 * Sends texts to all current listeners in all processes, the sender's own included. Nothing is stored: a listener whose
 * connection is away misses the texts sent meanwhile.
 */
export interface Broadcast {
  /** Sends the texts in order. Rejects when the broker is unreachable. */
  publish(texts: readonly string[]): Promise<void>;
  /** Resolves once a later `publish` from any process is certain to reach `listener`, until the connection breaks. */
  subscribe(listener: (text: string) => void): Promise<void>;
  /** Idempotent; the listener is not called again. */
  unsubscribe(listener: (text: string) => void): void;
}

/** Confirms that a replica has a write. */
export interface Replication {
  /** Call before the write. @returns the mark to pass to `confirm` */
  begin(): Promise<string>;
  /**
   * Call after the write: waits until a replica has it.
   * @returns `moved`: another server is the master by now, so the write may be lost and must be made again; `none`: no
   *   replica had the write within `timeoutMs`
   */
  confirm(begun: string, timeoutMs: number): Promise<'confirmed' | 'moved' | 'none'>;
}

/** An open broker. Nothing connects before the first call that needs it. */
export interface Engine {
  readonly kind: EngineKind;
  /** For people: scheme, host and port, or folder; never a password. */
  readonly address: string;
  /** Only this process can use it (embedded engines). */
  readonly oneProcess: boolean;
  /**
   * Connects if necessary.
   * @throws {BrokerUnavailableError} within about a second when the broker does not answer
   */
  ready(): Promise<void>;
  /**
   * The queue's BullMQ backend for calls (add, read, remove). Its commands fail fast: when the connection is lost
   * they reject at once and are never sent later.
   */
  backend(queue: string): Promise<IQueueBackend>;
  /** For long-lived BullMQ objects (workers, the control bus): their commands wait for the connection to return. */
  bullmq(): BullmqParts;
  /** Adds jobs to any queues in one atomic step; existing jobs of the same id stay as they are. Fails fast. */
  addTogether(jobs: readonly NewJob[]): Promise<void>;
  /**
   * Reads jobs as stored, in order, in one round trip; `undefined` for a job that does not exist. Fails fast. Does not
   * follow relocations or tombstones: `TaskReader` does.
   */
  readJobs(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]>;
  /**
   * Replaces the data of a job if nobody changed it since it was read. Fails fast.
   * @param was the data as `readJobs` gave it
   * @returns `false` when the data was changed meanwhile, or the job is gone
   */
  amendData(ref: JobRef, was: string, data: object): Promise<boolean>;
  /** Whether each job is finished or gone, in order: cheaper than reading the jobs. Fails fast. */
  readEnded(refs: readonly JobRef[]): Promise<boolean[]>;
  /** Reads jobs for display, in order; the broker leaves out long arguments. Fails fast. */
  readHeads(refs: readonly JobRef[]): Promise<(JobHead | undefined)[]>;
  /** The delayed jobs of these queues, soonest first, `limit` at most. Fails fast. */
  readDelayed(queues: readonly string[], limit: number): Promise<DelayedJob[]>;
  /** Subtracts one from a job's deliveries: it was fetched but not started. Only for the lock's holder. Fails fast. */
  uncount(ref: JobRef): Promise<void>;
  readonly records: Records;
  readonly flows: WorkflowRecords;
  readonly places: Places;
  readonly steps: StepRecords;
  readonly streams: Streams;
  readonly relayed: RelayedJobs;
  readonly signals: Notices;
  /** Administers queues. Queues in use are noted there automatically. */
  readonly queues: QueueAdmin;
  readonly broadcast: Broadcast;
  /** Absent for brokers that cannot wait for a replica. */
  readonly replication?: Replication | undefined;
  /** Absent for brokers that no transaction of a caller can write to. */
  readonly sql?: SqlGround | undefined;
  /**
   * Removes up to `rows` expired rows of records and workflows, where the broker does not do so by itself.
   * @returns whether more expired rows may be left
   */
  reclaim(rows: number): Promise<boolean>;
  /** The broker's clock, epoch ms. */
  serverTime(): Promise<number>;
  /** A number that grows with the answers to calls, whatever was asked: if it stands, the broker is silent. */
  answers(): number;
  /**
   * Keeps the process alive until the returned function is called (may be called twice). An idle engine without holds
   * lets a script exit.
   */
  hold(): () => void;
  /** True if the same command may succeed later: the broker is unreachable, or takes no commands or writes just now. */
  isUnavailable(error: unknown): boolean;
  /** True if such an error shows that the broker was reached or is starting. */
  wasThere(error: unknown): boolean;
  /** Checks the server, even before its schema exists. Fails fast. */
  examine(): Promise<CheckResult[]>;
  /** Checks which of several addresses answer. Empty for a single address, which `examine` covers. Never rejects. */
  examineAddresses(): Promise<CheckResult[]>;
  /** Creates or upgrades the schema; does nothing where the engine needs none. */
  migrate(): Promise<void>;
  /** Releases everything this engine opened; never what the caller passed in. Idempotent, bounded. */
  close(): Promise<void>;
}

/** A job without its possibly large fields. */
export type JobHead = Pick<
  StoredJob,
  | 'id'
  | 'queue'
  | 'name'
  | 'data'
  | 'sentAt'
  | 'delayMs'
  | 'startedAt'
  | 'doneAt'
  | 'retries'
  | 'deliveries'
  | 'running'
> & {
  /** Only of a task that waits, or has waited: what for. */
  readonly stack?: string | undefined;
};

/** A delayed job. */
export interface DelayedJob {
  readonly ref: JobRef;
  /** Epoch ms. */
  readonly dueAt: number;
}

/** The settings of every engine. */
export interface EngineConfig {
  /** Separates apps on one broker: BullMQ's key prefix, or the PostgreSQL schema. */
  readonly prefix: string;
  /** How long a call may wait in total for an unreachable broker (option `publishRetry`), ms. */
  readonly connectTimeoutMs: number;
  /** Create or upgrade the PostgreSQL schema on first use. */
  readonly migrate: boolean;
  /** Called once per outage, and now and then while the broker takes no writes. `onRecovered`: the outage is over. */
  readonly onTrouble: (message: string, error: unknown) => void;
  readonly onRecovered: (message: string, awayMs: number) => void;
}
