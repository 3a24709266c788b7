/**
 * The port every engine fills: what the rest of celeriac may ask of a broker.
 * One file per engine beside this one (`redis`, `postgres`, `embedded`); `open` picks by URL.
 * BullMQ objects are made here and in `consumer`/`producer` only; nothing above this room sees them.
 */

import type { BackendFactory, IQueueBackend, JobJson } from 'bullmq';
import type { OwnIds } from '../protocol/ids.js';
import type { CheckResult } from './check-result.js';
import type { JobRef } from './job-ref.js';
import type { Places } from './places.js';
import type { QueueAdmin } from './queue-admin.js';

export type { JobRef } from './job-ref.js';

/** Which kind of broker this is; for banners, checks and error texts, never for branching features. */
export type EngineKind = 'redis' | 'sentinel' | 'cluster' | 'postgres' | 'embedded';

/** Whether jobs lie in jsonb, which sorts the keys of objects. */
export function sortsKeys({ kind }: { readonly kind: EngineKind }): boolean {
  return kind === 'postgres' || kind === 'embedded';
}

/** Finds jobs that BullMQ took and could not read. */
export interface Salvage {
  /** The job that is locked by this token, apart from `except`. Fails fast. */
  find(queue: string, token: string, except?: string): Promise<string | undefined>;
  /** Makes a job readable, whatever is lost of it by that, and says which of its fields were not. Fails fast. */
  mend(queue: string, id: string): Promise<readonly string[]>;
}

/** What BullMQ's constructors need to work on this engine. */
export interface BullmqParts {
  /** BullMQ's `connection` option: an ioredis client, or a Pool-like. Shared: BullMQ never closes it. */
  readonly connection: unknown;
  /** BullMQ's `prefix` option; engines that separate by schema leave it out. */
  readonly prefix?: string;
  /** The last constructor argument of Queue, Worker and friends. */
  readonly factory: BackendFactory<IQueueBackend, never>;
  /** BullMQ's `backend` option for Relay, where it is not the Redis one. */
  readonly relay?: unknown;
  /**
   * Leaves a marker of a queue for another worker to find, where a worker is woken by one and takes it away. Fails fast.
   */
  readonly putMarkerBack?: (queue: string) => Promise<void>;
  /** Takes a Worker's own connection away from it for good, where closing one would wait for a broker that never answers. */
  readonly sever?: (backend: IQueueBackend) => void;
  /** Absent where the broker takes nothing that cannot be read. */
  readonly salvage?: Salvage;
  /** Gives the connection back, once what was made with it is closed; where it is held for that. May be called twice. */
  readonly release?: () => void;
}

/** A job as it lies in the broker, before anyone interprets it. Texts are as stored. */
export interface StoredJob {
  /** What tells it from the records that are made of tasks without a job: see `TaskRecord`. */
  readonly kind: 'job';
  readonly id: string;
  readonly queue: string;
  readonly name: string;
  /** The message, as JSON text. */
  readonly data: string;
  /** BullMQ's progress, parsed; celeriac writes `{ state, meta }`. */
  readonly progress: unknown;
  /** JSON text; absent until completed. */
  readonly returnvalue: string | undefined;
  readonly failedReason: string | undefined;
  /** The last entry of BullMQ's stack list; celeriac's carries the encoded error. */
  readonly stack: string | undefined;
  readonly priority: number;
  /** Epoch ms. */
  readonly sentAt: number;
  readonly delayMs: number;
  readonly startedAt: number | undefined;
  readonly doneAt: number | undefined;
  /** How many attempts failed (BullMQ: attemptsMade). */
  readonly retries: number;
  /** How often a worker began it (BullMQ: attemptsStarted). */
  readonly deliveries: number;
  /** Whether a worker holds its lock now. */
  readonly running: boolean;
  /** The node that ran it last. */
  readonly worker: string | undefined;
}

/** A small record of our own; `version` goes up with each change and guards `replace`. */
export interface StoredRecord {
  readonly value: string;
  readonly version: number;
}

/**
 * Small records with create-if-absent, compare-and-set and a time to live: our one primitive for everything
 * BullMQ has no place for (ids, marks, plans, rates, elections). Keys are any string; values are text.
 */
export interface Records {
  /** Writes the record unless the key is taken. `false` when it was. */
  create(key: string, value: string, ttlMs?: number): Promise<boolean>;
  /** Reads many in one round trip, in order. */
  read(keys: readonly string[]): Promise<(StoredRecord | undefined)[]>;
  /** Replaces the record when its version is still `version`. Without `ttlMs` the record no longer expires. */
  replace(key: string, version: number, value: string, ttlMs?: number): Promise<boolean>;
  /** Removes the record, when its version is still `version` where one is given. */
  remove(key: string, version?: number): Promise<boolean>;
}

/** One write into a workflow's record. */
export interface WorkflowWrite {
  readonly field: string;
  readonly value: string;
  /** Counted up when the field is new. */
  readonly counter?: string;
}

/** What a write into a workflow's record found. */
export interface WorkflowWritten {
  /** The field {@link REVOKED} as it was: then nothing was written, only looked at. */
  readonly revoked: string | undefined;
  /** For each write, in order. */
  readonly rows: readonly {
    /** What was there already, and stays; `undefined` when the write made the field. */
    readonly before: string | undefined;
    /** The counter, and its companion `<counter>+`; 0 where there is none. */
    readonly count: number;
    readonly extra: number;
  }[];
}

/** The field of a workflow's record that says its outcome stands. What still runs beside a failure, and callbacks, write on. */
export const CLOSED = '!';
/** The field that says it was revoked, and why: nothing is written into the record any more. */
export const REVOKED = '!r';
/** The field every record of a workflow has from its first moment; without it there is no record. */
export const HEAD = 'is';
/** The field of its plan. */
export const PLAN = 'plan';

/** Workflows to be looked after. */
export interface DueWorkflows {
  readonly flows: readonly string[];
  /** When the next one is to be, epoch ms. */
  readonly nextAt: number | undefined;
}

/**
 * The records of workflows: fields that are written once (what is written first stands) and counters, changed in one
 * atomic step. A record without the field {@link HEAD} does not exist: nothing is written into it any more.
 */
export interface WorkflowRecords {
  /** Makes a record. `false` when there is one. */
  create(flow: string, plan: string, ttlMs: number): Promise<boolean>;
  /** Writes each field unless it is there. `undefined` when there is no such record. */
  write(flow: string, writes: readonly WorkflowWrite[]): Promise<WorkflowWritten | undefined>;
  /** Fields of many records in one round trip, in order; `undefined` where there is none. */
  read(
    wanted: readonly { readonly flow: string; readonly fields: readonly string[] }[],
  ): Promise<(string | undefined)[][]>;
  /**
   * Notes when a workflow is to be looked after, epoch ms.
   * @param sooner unless that is to be sooner anyway
   */
  watch(flow: string, at: number, sooner?: boolean): Promise<void>;
  /** It is not to be looked after any more. */
  unwatch(flow: string): Promise<void>;
  /** The workflows that are to be looked after by now, for one who asks: others get them after `leaseMs`. */
  due(now: number, limit: number, leaseMs: number): Promise<DueWorkflows>;
  /** Lets the record go after this long. */
  expire(flow: string, ttlMs: number): Promise<void>;
  remove(flow: string): Promise<void>;
}

/** Called with each notice of a topic; `told` is the value of the job that completed, as JSON, where it came along. */
export type NoticeListener = (told?: string) => void;

/** Wakes whoever listens for a topic: a task's id, mostly. Lost notices are found by sweeps. */
export interface Notices {
  /**
   * Whether a notice given while its write is under way is heard after the write. Where not, notify when the write has
   * resolved: a waiter that looks too early finds nothing and has to be told again.
   */
  readonly ordered: boolean;
  /**
   * Tells the listeners of these topics, in all processes. Best effort; batches what is told in one tick.
   * @param ended a job that completes by the write under way: if the engine can, the notice tells its value as stored,
   *   so that nobody who hears it has to look. Only for jobs whose value is all there is to say.
   */
  notify(topic: string, ended?: JobRef): void;
  /** As `notify`, for what its listeners look at now and then anyway: mostly left out while nobody is known to listen. */
  hint(topic: string): void;
  /** Resolves once a later `notify` from any process is certain to reach `listener`. */
  subscribe(topic: string, listener: NoticeListener): Promise<void>;
  /** Idempotent; the listener is not called again. */
  unsubscribe(topic: string, listener: NoticeListener): void;
  /** Called when notices may have been missed (a connection was lost and is back): check everything. */
  onGap(listener: () => void): void;
  /** The ids this process makes: their topics may be listened to ahead, once one of them is subscribed to. */
  expect(ids: OwnIds): void;
  /**
   * Whether it is certain that nobody told of this topic, an id made here, since it was made: who subscribes in the same
   * tick need not look.
   */
  untold(topic: string): boolean;
}

/** The longest text a {@link Broadcast} carries, in bytes: PostgreSQL's NOTIFY takes 8,000. */
export const BROADCAST_BYTES = 7500;

/**
 * Texts to whoever listens at that moment, in all processes, the sender's own included. Nothing is kept: what is sent
 * while nobody listens, or while a listener's connection is away, is gone.
 */
export interface Broadcast {
  /** Sends these in order. Rejects when the broker is out of reach. */
  publish(texts: readonly string[]): Promise<void>;
  /** Resolves once a later `publish` from any process is certain to reach `listener`, until the connection breaks. */
  subscribe(listener: (text: string) => void): Promise<void>;
  /** Idempotent; the listener is not called again. */
  unsubscribe(listener: (text: string) => void): void;
}

/** What a broker with replicas can say of a write. */
export interface Replication {
  /** Before the write. @returns what `confirm` is to be given */
  begin(): Promise<string>;
  /**
   * After the write: waits until a replica has it.
   * @returns `moved`: another server is the master by now, so the write may be gone and is to be made again; `none`: no
   *   replica had it within `timeoutMs`
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
   * Connects if need be.
   * @throws {BrokerUnavailableError} within about a second when nobody answers
   */
  ready(): Promise<void>;
  /**
   * The queue's BullMQ backend for calls (add, read, remove). Its commands fail fast: when the connection is gone
   * they reject at once and are never sent later.
   */
  backend(queue: string): Promise<IQueueBackend>;
  /** For long-lived BullMQ objects (workers, the control bus): their commands wait for the connection to return. */
  bullmq(): BullmqParts;
  /** Adds jobs to any queues in one atomic step; those whose id is there already stay as they are. Fails fast. */
  addTogether(jobs: readonly NewJob[]): Promise<void>;
  /**
   * Jobs as they lie, in order, in one round trip; `undefined` where there is none. Fails fast. What a task is beside its
   * job, and where it was moved to, `TaskReader` knows.
   */
  readJobs(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]>;
  /**
   * Replaces the data of a job, if it is still what was read. Fails fast.
   * @param was the data as `readJobs` gave it
   * @returns `false` when somebody changed it meanwhile, or the job is gone
   */
  amendData(ref: JobRef, was: string, data: object): Promise<boolean>;
  /** Whether each job as it lies is finished or gone, in order: cheaper than reading it. Fails fast. */
  readEnded(refs: readonly JobRef[]): Promise<boolean[]>;
  /** Jobs for looking at, in order: long arguments are left out by the broker. Fails fast. */
  readHeads(refs: readonly JobRef[]): Promise<(JobHead | undefined)[]>;
  /** The delayed jobs of these queues, soonest first, `limit` at most. Fails fast. */
  readDelayed(queues: readonly string[], limit: number): Promise<DelayedJob[]>;
  /** Takes one from a job's count of deliveries: it was fetched, and nobody began it. Only for who holds it. Fails fast. */
  uncount(ref: JobRef): Promise<void>;
  readonly records: Records;
  readonly flows: WorkflowRecords;
  readonly places: Places;
  readonly signals: Notices;
  /** Looks after queues; what is written to or taken from is noted there by itself. */
  readonly queues: QueueAdmin;
  readonly broadcast: Broadcast;
  /** Absent where no replica can be waited for. */
  readonly replication?: Replication | undefined;
  /**
   * Removes up to `rows` rows of records and workflows that have expired, where the broker does not do so by itself.
   * @returns whether more may be left
   */
  reclaim(rows: number): Promise<boolean>;
  /** The broker's clock, epoch ms. */
  serverTime(): Promise<number>;
  /**
   * Keeps the process alive until the returned function is called (twice is fine). Without holds an idle engine
   * lets a script exit.
   */
  hold(): () => void;
  /** Whether `error` says "the connection is gone" rather than "the broker refuses". */
  isUnavailable(error: unknown): boolean;
  /** Whether such an error shows that the broker was reached, or is about to come up. */
  wasThere(error: unknown): boolean;
  /** Looks the server over, also when its schema is not there yet. Fails fast. */
  examine(): Promise<CheckResult[]>;
  /** Which of the addresses it was given answer; nothing where there is one, which `examine` tells of. Never rejects. */
  examineAddresses(): Promise<CheckResult[]>;
  /** Creates or upgrades what the engine stores its data in; a no-op where nothing is needed. */
  migrate(): Promise<void>;
  /** Releases everything this engine opened; never what the caller passed in. Idempotent, bounded. */
  close(): Promise<void>;
}

/** A job to be added. */
export interface NewJob {
  readonly queue: string;
  readonly jobId: string;
  readonly job: JobJson;
}

/** A job without what may be large. */
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
>;

/** A job that waits for its moment. */
export interface DelayedJob {
  readonly ref: JobRef;
  /** Epoch ms. */
  readonly dueAt: number;
}

/** What every engine is made from. */
export interface EngineConfig {
  /** Separates apps on one broker: BullMQ's key prefix, or the PostgreSQL schema. */
  readonly prefix: string;
  /** How long a call may wait for an unreachable broker in total (option `publishRetry`), ms. */
  readonly connectTimeoutMs: number;
  /** Create or upgrade the PostgreSQL schema on first use. */
  readonly migrate: boolean;
  /** Where connection troubles are told, once per outage. */
  readonly onTrouble: (message: string, error: unknown) => void;
  readonly onRecovered: (message: string, awayMs: number) => void;
}
