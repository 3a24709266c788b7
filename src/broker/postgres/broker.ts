/**
 * The Engine port on a PgWire, shared by PostgreSQL and the embedded engine. The first call connects and checks the schema
 * once; after that every call is one statement.
 */
import { createPostgresBackend, createPostgresRelayBackend, type IQueueBackend } from 'bullmq';
import { AppClosedError, BrokerError, CeleriacError } from '../../errors.js';
import { sleep } from '../../timers.js';
import { addFlow } from '../add-flow.js';
import type {
  BullmqParts,
  DelayedJob,
  Engine,
  EngineConfig,
  EngineKind,
  JobHead,
  JobRef,
  NewJob,
  StoredJob,
} from '../broker.js';
import type { CheckResult } from '../check-result.js';
import { QueueBackends } from '../queue-backends.js';
import { QueueNotes } from '../queue-notes.js';
import type { SqlGround } from '../sql-ground.js';
import { PgBroadcast } from './broadcast.js';
import { BullmqPool, bullmqPoolBackend } from './bullmq-pool.js';
import { examinePostgres } from './checkup.js';
import { wasThere } from './driver.js';
import { sqlGround } from './identity.js';
import { readHeads } from './job-heads.js';
import { amendData, readDelayed, readEnded, readJobs, uncount } from './jobs.js';
import { channelPrefixOf, PgSignals } from './notices.js';
import { PgPlaces } from './places.js';
import { PgQueueAdmin } from './queue-admin.js';
import { PgRecords } from './records.js';
import { PgRelayedJobs } from './relayed-jobs.js';
import { isMigrated, migrateSchema, notMigrated } from './schema.js';
import { PgSteps } from './steps.js';
import { PgStreams } from './streams.js';
import type { PgQuery, PgWire } from './wire.js';
import { PgWorkflowRecords } from './workflow-records.js';

/** The longest interval that Node accepts, ms: the timer never has to fire, only to keep the process alive. */
const LONG_MS = 2 ** 31 - 1;

export class PgEngine implements Engine {
  readonly kind: EngineKind;
  readonly address: string;
  readonly oneProcess: boolean;
  readonly records: PgRecords;
  readonly flows: PgWorkflowRecords;
  readonly places: PgPlaces;
  readonly steps: PgSteps;
  readonly streams: PgStreams;
  readonly relayed: PgRelayedJobs;
  readonly signals: PgSignals;
  readonly queues: PgQueueAdmin;
  readonly broadcast: PgBroadcast;
  readonly sql?: SqlGround;
  readonly #query: PgQuery;
  readonly #backends = new QueueBackends();
  readonly #notes = new QueueNotes((queue) => this.queues.note([queue]));
  readonly #holds = new Set<NodeJS.Timeout>();
  #prepared: Promise<void> | undefined;
  #root: Promise<IQueueBackend> | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    private readonly wire: PgWire,
    private readonly schema: string,
    private readonly config: EngineConfig,
  ) {
    this.kind = wire.kind;
    this.address = wire.address;
    this.oneProcess = wire.oneProcess;
    this.#query = async (text, params) => {
      await this.#prepare();
      return wire.calls(text, params).catch((error: unknown) => {
        throw refused(error, wire.address);
      });
    };
    this.records = new PgRecords(this.#query);
    this.queues = new PgQueueAdmin(this.#query);
    this.flows = new PgWorkflowRecords(this.#query);
    this.places = new PgPlaces(this.#query);
    this.steps = new PgSteps(this.#query);
    this.streams = new PgStreams(this.#query, schema, wire.oneProcess ? wire.notices : undefined);
    this.relayed = new PgRelayedJobs({
      query: this.#query,
      session: (body) => this.#prepare().then(() => wire.session(body)),
      notices: wire.notices,
      note: (queues) => this.queues.note(queues),
    });
    const notices = () => this.#prepare().then(() => wire.notices);
    this.signals = new PgSignals(notices, wire.notices, schema);
    this.broadcast = new PgBroadcast(notices, wire.notices, `${channelPrefixOf(schema)}broadcast`);
    if (!wire.oneProcess) this.sql = sqlGround(this.#query, schema);
  }

  async ready(): Promise<void> {
    const known = this.#prepared;
    await this.#prepare();
    if (known !== undefined) await this.wire.calls('SELECT 1');
  }

  async backend(queue: string): Promise<IQueueBackend> {
    await this.#prepare();
    const known = this.#backends.get(queue);
    if (known !== undefined) {
      this.#notes.used(queue);
      return known;
    }
    const root = await this.#rootBackend();
    const backend = this.#backends.get(queue) ?? root.forQueue(queue);
    this.#notes.used(queue);
    this.#backends.set(queue, backend);
    return backend;
  }

  bullmq(): BullmqParts {
    const patient: PgQuery = async (text, params) => {
      // Checked here first: BullMQ would report an unmigrated schema too, from the same ledger.
      await this.#patientPrepare();
      return this.wire.patient(text, params);
    };
    return {
      connection: new BullmqPool(patient, this.wire.notices, ''),
      factory: bullmqPoolBackend,
      relay: createPostgresRelayBackend,
    };
  }

  async addTogether(jobs: readonly NewJob[]): Promise<void> {
    const [first] = jobs;
    if (first !== undefined) await addFlow(await this.backend(first.queue), '', jobs);
  }

  readJobs(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
    return readJobs(this.#query, refs);
  }

  readEnded(refs: readonly JobRef[]): Promise<boolean[]> {
    return readEnded(this.#query, refs);
  }

  readHeads(refs: readonly JobRef[]): Promise<(JobHead | undefined)[]> {
    return readHeads(this.#query, refs);
  }

  readDelayed(queues: readonly string[], limit: number): Promise<DelayedJob[]> {
    return readDelayed(this.#query, queues, limit);
  }

  async reclaim(rows: number): Promise<boolean> {
    const kinds = [this.records, this.flows, this.steps, this.streams];
    return (await Promise.all(kinds.map((kind) => kind.reclaim(rows)))).includes(true);
  }

  amendData(ref: JobRef, was: string, data: object): Promise<boolean> {
    return amendData(this.#query, ref, was, data);
  }

  uncount(ref: JobRef): Promise<void> {
    return uncount(this.#query, ref);
  }

  answers(): number {
    return this.wire.answers?.() ?? 0;
  }

  async serverTime(): Promise<number> {
    const { rows } = await this.#query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms');
    return Math.floor(Number(rows[0]?.ms));
  }

  hold(): () => void {
    const timer = setInterval(() => undefined, LONG_MS);
    this.#holds.add(timer);
    return () => {
      clearInterval(timer);
      this.#holds.delete(timer);
    };
  }

  isUnavailable(error: unknown): boolean {
    return this.wire.isUnavailable(error);
  }

  wasThere(error: unknown): boolean {
    return wasThere(error);
  }

  async examine(): Promise<CheckResult[]> {
    await this.wire.open();
    const { schema, wire } = this;
    if (wire.ownsSchema) await this.#prepare();
    return examinePostgres(wire.calls, { schema, address: wire.address, served: !wire.oneProcess });
  }

  async examineAddresses(): Promise<CheckResult[]> {
    return [];
  }

  async migrate(): Promise<void> {
    await this.wire.open();
    await this.wire.session((query) => migrateSchema(query, this.schema));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #prepare(): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(new AppClosedError());
    this.#prepared ??= this.#open().catch((error: unknown) => {
      // A failure is not remembered: the next call tries again.
      this.#prepared = undefined;
      throw refused(error, this.address);
    });
    return this.#prepared;
  }

  async #open(): Promise<void> {
    await this.wire.open();
    if (this.config.migrate || this.wire.ownsSchema) return this.migrate();
    if (!(await isMigrated(this.wire.calls, this.schema))) throw notMigrated(this.schema, this.address);
  }

  async #patientPrepare(): Promise<void> {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
      try {
        return await this.#prepare();
      } catch (error) {
        if (!this.wire.isUnavailable(error)) throw error;
      }
      await sleep(waitMs, { ref: false });
    }
  }

  #rootBackend(): Promise<IQueueBackend> {
    this.#root ??= this.#makeRoot().catch((error: unknown) => {
      this.#root = undefined;
      throw error;
    });
    return this.#root;
  }

  async #makeRoot(): Promise<IQueueBackend> {
    const pool: unknown = new BullmqPool(this.wire.calls, this.wire.notices, '');
    const backend = createPostgresBackend('celeriac', { connection: pool as never });
    // The wire reports connection errors; without a listener BullMQ would throw them as uncaught exceptions.
    backend.on('error', () => undefined);
    await backend.waitUntilReady();
    return backend;
  }

  async #close(): Promise<void> {
    for (const timer of this.#holds) clearInterval(timer);
    this.#holds.clear();
    await this.wire.close();
  }
}

/** Wraps a refusal of the server in our error; SQLSTATE and text are in the cause. */
function refused(error: unknown, address: string): CeleriacError {
  if (error instanceof CeleriacError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new BrokerError(`The broker at ${address} refused a command: ${text}`, { cause: error });
}
