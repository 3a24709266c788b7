/**
 * The Redis engine: one server, Sentinel or Cluster. Beside the Workers' own, it has at most four connections: one for
 * calls (fails fast), one for workers and the control bus (waits), one that listens, and one that waits for replicas.
 */

import { createRedisBackend, type IQueueBackend } from 'bullmq';
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
import { RedisBroadcast } from './broadcast.js';
import { examineAddresses, examineRedis, readInfo } from './checkup.js';
import { shardOf } from './cluster-subscriber.js';
import { RedisConnection } from './connection.js';
import { severRedisBackend } from './detach.js';
import { refusalIn, troubleIn, withoutArguments } from './errors.js';
import { readHeads } from './job-heads.js';
import { amendData, readDelayed, readEnded, readJobs, uncount } from './jobs.js';
import { RedisNotices } from './notices.js';
import { RedisPlaces } from './places.js';
import { RedisQueueAdmin } from './queue-admin.js';
import { RedisRecords } from './records.js';
import { RedisRelayedJobs } from './relayed-jobs.js';
import { RedisReplication } from './replication.js';
import { redisSalvage } from './salvage.js';
import { RedisSteps } from './steps.js';
import { RedisStreams } from './streams.js';
import { Troubles } from './troubles.js';
import type { RedisClient, RedisUrl } from './url.js';
import { workerRedisBackend } from './worker-backend.js';
import { RedisWorkflowRecords } from './workflow-records.js';

/** Opens a Redis engine; connects at the first call. */
export function openRedis(config: EngineConfig, target: RedisUrl): Engine {
  return new RedisEngine(config, target);
}

/** Pause before a command that the broker could not carry out just then is tried again, ms. */
const AGAIN_MS = 50;

/** How long sockets keep the process alive after their last use, ms. Delays the end of a script by as much. */
const LINGER_MS = 20;

class RedisEngine implements Engine {
  readonly kind: EngineKind;
  readonly address: string;
  readonly oneProcess = false;
  readonly records: RedisRecords;
  readonly flows: RedisWorkflowRecords;
  readonly places: RedisPlaces;
  readonly steps: RedisSteps;
  readonly streams: RedisStreams;
  readonly relayed: RedisRelayedJobs;
  readonly signals: RedisNotices;
  readonly queues: RedisQueueAdmin;
  readonly broadcast: RedisBroadcast;
  readonly replication: RedisReplication;
  readonly #prefix: string;
  readonly #calls: RedisConnection;
  readonly #troubles: Troubles;
  #workers: RedisConnection | undefined;
  /** How many callers of `bullmq()` have not released the connection yet. */
  #workersUsers = 0;
  #listener: RedisConnection | undefined;
  /** Waits for replicas; made by the first call that wants a replica. */
  #waiting: RedisConnection | undefined;
  #root: Promise<IQueueBackend> | undefined;
  readonly #backends = new QueueBackends();
  readonly #notes = new QueueNotes((queue) => this.queues.note([queue]));
  #holds = 0;
  /** Runs while the sockets keep the process alive a moment longer than the last hold. */
  #lingering: NodeJS.Timeout | undefined;
  #kept = false;

  constructor(
    private readonly config: EngineConfig,
    private readonly target: RedisUrl,
  ) {
    this.kind = target.kind;
    this.address = target.address;
    // On Cluster everything of a prefix lives in one slot, so that scripts and flows may span queues.
    this.#prefix = target.kind === 'cluster' ? `{${config.prefix}}` : config.prefix;
    this.#calls = new RedisConnection(target, config, 'fail-fast', 'calls');
    this.#troubles = new Troubles(target.address, config);
    // No queue name begins with '~', so these keys never collide with BullMQ's.
    const held = <R>(body: (client: RedisClient) => Promise<R>) =>
      this.#held(() => (this.#calls.isReady ? body(this.#calls.client) : this.#client().then(body)));
    this.records = new RedisRecords(held, `${this.#prefix}:~r:`);
    this.queues = new RedisQueueAdmin(held, this.#prefix);
    this.flows = new RedisWorkflowRecords(held, `${this.#prefix}:~f:`);
    this.places = new RedisPlaces(held, { holders: `${this.#prefix}:~h:`, waiters: `${this.#prefix}:~l:` });
    this.steps = new RedisSteps(held, this.#prefix);
    this.relayed = new RedisRelayedJobs({
      held,
      backend: (queue) => this.backend(queue),
      prefix: this.#prefix,
    });
    const sharded = target.kind === 'cluster';
    const channelPrefix = `${this.#prefix}:~s${target.db}:`;
    this.streams = new RedisStreams({
      held,
      keys: { counts: `${this.#prefix}:~n:`, chunks: `${this.#prefix}:~c:` },
      channelPrefix,
      sharded,
      lockKey: ({ queue, id }) => `${this.#prefix}:${queue}:${id}:lock`,
    });
    this.signals = new RedisNotices({
      publisher: () => this.#workers ?? this.#calls,
      subscriber: () => this.#listenerLink(),
      channelPrefix,
      sharded,
      jobKey: ({ queue, id }) => `${this.#prefix}:${queue}:${id}`,
    });
    this.replication = new RedisReplication({
      calls: this.#calls,
      waiting: () => this.#waitingLink(),
      key: `${this.#prefix}:~w`,
    });
    this.broadcast = new RedisBroadcast({
      publisher: () => this.#client(),
      subscriber: () => this.#listenerLink(),
      // Pub/sub knows no databases.
      channel: `${this.#prefix}:~b${target.db}`,
      sharded,
    });
  }

  #waitingLink(): RedisConnection {
    this.#waiting ??= this.#linkBesideCalls('replicas');
    return this.#waiting;
  }

  ready(): Promise<void> {
    return this.#held(() => this.#calls.ready());
  }

  async backend(queue: string): Promise<IQueueBackend> {
    const known = this.#backends.get(queue);
    if (known !== undefined && this.#calls.client.status === 'ready') {
      this.#notes.used(queue);
      return known;
    }
    await this.ready();
    const root = await this.#rootBackend();
    const backend = this.#backends.get(queue) ?? root.forQueue(queue, this.#prefix);
    // The note goes out ahead of the first command on the same connection.
    this.#notes.used(queue);
    this.#backends.set(queue, backend);
    return backend;
  }

  bullmq(): BullmqParts {
    this.#workers ??= new RedisConnection(this.target, this.config, 'patient', 'workers');
    this.#workers.setHeld(true);
    this.#listener?.setHeld(true);
    this.#workersUsers++;
    let released = false;
    return {
      connection: this.#workers.client,
      prefix: this.#prefix,
      factory: workerRedisBackend,
      putMarkerBack: (queue) => this.#putMarkerBack(queue),
      sever: severRedisBackend,
      salvage: redisSalvage((body) => this.#held(() => this.#client().then(body)), this.#prefix),
      release: () => {
        if (released) return;
        released = true;
        if (--this.#workersUsers === 0) this.#closeWorkersLink();
      },
    };
  }

  async addTogether(jobs: readonly NewJob[]): Promise<void> {
    const [first] = jobs;
    if (first === undefined) return;
    const backend = await this.backend(first.queue);
    await addFlow(backend, this.#prefix, jobs);
  }

  readJobs(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
    return this.#held(async () => readJobs(await this.#client(), this.#prefix, refs));
  }

  readEnded(refs: readonly JobRef[]): Promise<boolean[]> {
    return this.#held(async () => readEnded(await this.#client(), this.#prefix, refs));
  }

  readHeads(refs: readonly JobRef[]): Promise<(JobHead | undefined)[]> {
    return this.#held(async () => readHeads(await this.#client(), this.#prefix, refs));
  }

  readDelayed(queues: readonly string[], limit: number): Promise<DelayedJob[]> {
    return this.#held(async () => readDelayed(await this.#client(), this.#prefix, queues, limit));
  }

  /** Redis removes expired keys by itself: only the list of jobs that may wait has to be kept short. */
  async reclaim(rows: number): Promise<boolean> {
    return this.steps.reclaim(rows);
  }

  amendData(ref: JobRef, was: string, data: object): Promise<boolean> {
    return this.#held(async () => amendData(await this.#client(), this.#prefix, ref, was, data));
  }

  uncount(ref: JobRef): Promise<void> {
    return this.#held(async () => uncount(await this.#client(), this.#prefix, ref));
  }

  answers(): number {
    return this.#calls.bytesRead;
  }

  serverTime(): Promise<number> {
    return this.#held(async () => {
      const [seconds, micros] = (await (await this.#client()).time()) as [number | string, number | string];
      return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    });
  }

  hold(): () => void {
    if (this.#holds++ === 0 && !this.#kept) this.#setHeld(true);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      // Calls come one after another: releasing and holding the sockets for each would cost noticeable time.
      if (--this.#holds === 0) this.#lingering ??= setTimeout(() => this.#letGo(), LINGER_MS).unref();
    };
  }

  #letGo(): void {
    this.#lingering = undefined;
    if (this.#holds === 0) this.#setHeld(false);
  }

  /** Always false: while Redis loads its data, its clients wait. */
  wasThere(): boolean {
    return false;
  }

  /** Also true while the server takes no writes: the same command may succeed later. */
  isUnavailable(error: unknown): boolean {
    const trouble = troubleIn(error);
    if (trouble === 'passing' || trouble === 'refusing') this.#troubles.note(error);
    return trouble !== undefined && trouble !== 'forbidden';
  }

  examine(): Promise<CheckResult[]> {
    return this.#held(async () => examineRedis(await readInfo(await this.#client())));
  }

  examineAddresses(): Promise<CheckResult[]> {
    return examineAddresses(this.target.hosts ?? []);
  }

  async migrate(): Promise<void> {}

  async close(): Promise<void> {
    clearTimeout(this.#lingering);
    this.signals.flush();
    this.#setHeld(false);
    await Promise.all([
      this.#calls.close(),
      this.#workers?.close(),
      this.#listener?.close(),
      this.#waiting?.close(),
    ]);
  }

  /** Closes the connection of workers and bus with its last user, since its retries keep the process alive. */
  #closeWorkersLink(): void {
    // Notices that are not published yet leave over this connection.
    this.signals.flush();
    const link = this.#workers;
    this.#workers = undefined;
    this.#listener?.setHeld(this.#kept);
    void link?.close();
  }

  /** Adds the same marker as BullMQ's scripts (`addBaseMarkerIfNeeded`): member "0", due at once. */
  async #putMarkerBack(queue: string): Promise<void> {
    await this.#held(async () => (await this.#client()).zadd(`${this.#prefix}:${queue}:marker`, 0, '0'));
  }

  #listenerLink(): RedisConnection {
    this.#listener ??= this.#linkBesideCalls('notices');
    return this.#listener;
  }

  /** A connection to the server that holds all keys of the prefix. */
  #linkBesideCalls(role: string): RedisConnection {
    const { target } = this;
    const place = target.kind === 'cluster' ? shardOf(target, this.#calls, this.#prefix) : target;
    const link = new RedisConnection(place, this.config, 'fail-fast', role);
    link.setHeld(this.#listens);
    return link;
  }

  async #client(): Promise<RedisClient> {
    await this.#calls.ready();
    return this.#calls.client;
  }

  async #rootBackend(): Promise<IQueueBackend> {
    this.#root ??= this.#makeRoot().catch((error: unknown) => {
      // The connection broke while BullMQ examined the server: the next call starts afresh.
      this.#root = undefined;
      throw error;
    });
    return this.#root;
  }

  async #makeRoot(): Promise<IQueueBackend> {
    const backend = createRedisBackend('celeriac', { connection: this.#calls.client as never });
    // The connection reports its own errors; without a listener BullMQ would throw them as uncaught exceptions.
    backend.on('error', () => undefined);
    await backend.waitUntilReady();
    return backend;
  }

  async #held<R>(body: () => Promise<R>): Promise<R> {
    const release = this.hold();
    try {
      return await body().catch((error: unknown) => this.#again(error, body));
    } finally {
      release();
    }
  }

  /** Repeats a command that the broker answered it could not carry out just then. Safe, since the broker did nothing. */
  async #again<R>(first: unknown, body: () => Promise<R>): Promise<R> {
    const giveUpAt = performance.now() + this.config.connectTimeoutMs;
    let error = first;
    while (troubleIn(error) === 'passing' && performance.now() < giveUpAt) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      try {
        return await body();
      } catch (again) {
        error = again;
      }
    }
    const trouble = troubleIn(error);
    if (trouble === 'away' || trouble === 'passing') throw this.#calls.unavailable(error);
    throw withoutArguments(refusalIn(error, this.address) ?? error);
  }

  /** Whether notices are missed if their connection is not made again: a worker has to hear who listens, even idle. */
  get #listens(): boolean {
    return this.#kept || this.#workers !== undefined;
  }

  #setHeld(held: boolean): void {
    this.#kept = held;
    this.#calls.setHeld(held);
    this.#listener?.setHeld(this.#listens);
    this.#waiting?.setHeld(held);
  }
}
