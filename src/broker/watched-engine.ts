/**
 * An engine that tests can observe: reports added jobs, due moments and the ends of attempts, and expires records by the
 * clock of the test. Everything else is left to the engine underneath.
 */
import type { BackendFactory, IQueueBackend, JobJson } from 'bullmq';
import { isRevocationStack, type Message, messageFrom } from '../protocol/message.js';
import type {
  BullmqParts,
  Engine,
  JobRef,
  NewJob,
  Records,
  StoredRecord,
  WorkflowRecords,
} from './broker.js';
import type { BrokerClock } from './clock.js';
import type { Places } from './places.js';
import type { RelayedCall, RelayedJobs } from './relayed-jobs.js';

/** A task as it was added to its queue. */
export interface AddedJob {
  readonly ref: JobRef;
  readonly name: string;
  readonly message: Message;
  readonly priority: number;
  /** Epoch ms. */
  readonly sentAt: number;
}

/** How an attempt ended. */
export type AttemptEnd = 'succeeded' | 'failed' | 'revoked' | 'retried';

/** Observes an engine. */
export interface EngineWatch {
  added(job: AddedJob): void;
  ended(end: AttemptEnd): void;
}

export class WatchedEngine {
  /** Every queue that received a job, lanes included. */
  readonly queues = new Set<string>();
  /** The ids of added jobs, by queue. */
  readonly #ids = new Map<string, Set<string>>();
  /** The delayed jobs and when they are due, epoch ms of the clock. */
  readonly #due = new Map<string, { readonly ref: JobRef; readonly at: number }>();
  /** Jobs that were copied into their lane: the end of the original is not the end of the task. */
  readonly #moved = new Set<string>();
  readonly #workflows = new Set<string>();
  /** Jobs that asked for a place, by the name of the limit. */
  readonly #asked = new Map<string, Map<string, JobRef>>();
  readonly #backends = new WeakMap<IQueueBackend, IQueueBackend>();
  readonly #records: TimedRecords;
  #adding = 0;

  /** The engine that the app uses. */
  readonly engine: Engine;

  constructor(
    private readonly under: Engine,
    private readonly clock: BrokerClock,
    private readonly params: {
      readonly watch: EngineWatch;
      /** No other process can use the engine, so everything in it was added here. */
      readonly alone: boolean;
      /** Engines to close together with this one. */
      readonly closeToo: readonly Engine[];
    },
  ) {
    this.#records = new TimedRecords(under.records, clock);
    this.engine = this.#proxy();
  }

  /** When the next delayed job is due, epoch ms. */
  get nextDueAt(): number | undefined {
    let next: number | undefined;
    for (const { at } of this.#due.values()) if (next === undefined || at < next) next = at;
    return next;
  }

  /** Makes the delayed jobs that are due by now ready to run, in the order of their due moments. */
  async promoteDue(): Promise<void> {
    const now = this.clock.now();
    const due = [...this.#due.entries()]
      .filter(([, { at }]) => at <= now)
      .sort(([, a], [, b]) => a.at - b.at);
    for (const [key, { ref }] of due) {
      this.#due.delete(key);
      const backend = await this.under.backend(ref.queue);
      // Rejects for a job that is no longer delayed, because it was promoted or dropped.
      await backend.promote(ref.id).catch(() => undefined);
    }
  }

  /** The number of waiting and running jobs of a queue. */
  async load(queue: string): Promise<{ readonly waiting: number; readonly running: number }> {
    const backend = await this.under.backend(queue);
    const [waiting = 0, prioritized = 0, active = 0] = await backend.getCounts([
      'waiting',
      'prioritized',
      'active',
    ]);
    return { waiting: waiting + prioritized, running: active + this.#adding };
  }

  /** Drops everything that was added, and nothing else. */
  async clear(): Promise<void> {
    for (const queue of this.queues) {
      const backend = await this.under.backend(queue);
      if (this.params.alone) {
        await backend.pause(true);
        while ((await backend.obliterate({ force: true, count: 1000 })) > 0);
      } else {
        // Rejects for a job that was dropped before, or that a worker is running.
        const drop = (id: string) => backend.remove(id, false).catch(() => undefined);
        await Promise.all([...(this.#ids.get(queue) ?? [])].map(drop));
      }
    }
    await this.under.streams.remove([...this.#ids.values()].flatMap((ids) => [...ids]));
    this.#ids.clear();
    for (const flow of this.#workflows)
      await Promise.all([this.under.flows.remove(flow), this.under.flows.unwatch(flow)]);
    await this.#clearPlaces();
    await this.#records.clear();
    this.#workflows.clear();
    this.queues.clear();
    this.#due.clear();
    this.#moved.clear();
  }

  #proxy(): Engine {
    const own: Partial<Engine> = {
      backend: async (queue) => this.#watched(await this.under.backend(queue), queue),
      bullmq: () => this.#bullmq(),
      records: this.#records,
      addTogether: (jobs) =>
        this.#add(jobs, this.under.addTogether(jobs.map((each) => ({ ...each, job: heldBack(each.job) })))),
      relayed: this.#relayed(),
      flows: this.#flows(),
      places: this.#places(),
      close: async () => {
        await Promise.all([this.under, ...this.params.closeToo].map((engine) => engine.close()));
      },
    };
    return new Proxy(this.under, {
      get(target, property) {
        if (property in own) return Reflect.get(own, property);
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  #relayed(): RelayedJobs {
    const { relayed } = this.under;
    const held = (call: RelayedCall): RelayedCall => ({
      ...call,
      jobs: call.jobs.map((each) => ({ ...each, job: heldBack(each.job) })),
    });
    return {
      add: (calls) =>
        this.#add(
          calls.flatMap(({ jobs }) => jobs),
          relayed.add(calls.map(held)),
        ),
      seen: (marks) => relayed.seen(marks),
      release: (marks) => relayed.release(marks),
    };
  }

  #flows(): WorkflowRecords {
    const { flows } = this.under;
    return {
      create: (flow, ...rest) => {
        this.#workflows.add(flow);
        return flows.create(flow, ...rest);
      },
      write: (flow, writes) => flows.write(flow, writes),
      read: (wanted) => flows.read(wanted),
      watch: (flow, at, sooner) => flows.watch(flow, at, sooner),
      unwatch: (flow) => flows.unwatch(flow),
      due: (now, limit, leaseMs) => flows.due(now, limit, leaseMs),
      expire: (flow, ttlMs) => flows.expire(flow, ttlMs),
      remove: (flow) => flows.remove(flow),
    };
  }

  #places(): Places {
    const { places } = this.under;
    return {
      enter: (name, job, asking) => {
        const asked = this.#asked.get(name) ?? new Map<string, JobRef>();
        this.#asked.set(name, asked.set(keyOf(job), job));
        return places.enter(name, job, asking);
      },
      leave: async (name, limit, job, now) => {
        const called = await places.leave(name, limit, job, now);
        const asked = this.#asked.get(name);
        if (asked?.delete(keyOf(job)) && asked.size === 0) this.#asked.delete(name);
        return called;
      },
      room: (name, asking) => places.room(name, asking),
      evict: (name, limit, dead, now) => places.evict(name, limit, dead, now),
    };
  }

  /** Releases all places with limit 0, so that no job in line gets a freed place: those are dropped too. */
  async #clearPlaces(): Promise<void> {
    for (const [name, asked] of this.#asked)
      for (const job of asked.values()) await this.under.places.leave(name, 0, job, this.clock.now());
    this.#asked.clear();
  }

  #bullmq(): BullmqParts {
    const parts = this.under.bullmq();
    const factory: BackendFactory<IQueueBackend, never> = (name, opts, options) =>
      this.#watched(parts.factory(name, opts, options), name);
    return { ...parts, factory };
  }

  #watched(backend: IQueueBackend, queue: string): IQueueBackend {
    const known = this.#backends.get(backend);
    if (known !== undefined) return known;
    const watched = this.#follow(backend, queue);
    this.#backends.set(backend, watched);
    return watched;
  }

  /** Replaces methods in place, since BullMQ's own classes reach into the backend that they are given. */
  #follow(backend: IQueueBackend, queue: string): IQueueBackend {
    const { addJob, addJobs, moveToDelayed, changeDelay, promote, retryJob, moveToCompleted, moveToFailed } =
      bound(backend);
    const watchEnd = <R>(end: AttemptEnd, jobId: string, write: Promise<R>): Promise<R> =>
      write.then((result) => {
        if (!this.#moved.delete(keyOf({ queue, id: jobId }))) this.params.watch.ended(end);
        return result;
      });
    backend.addJob = (job, jobId, parent) =>
      this.#add([{ job, jobId, queue }], addJob(heldBack(job), jobId, parent));
    backend.addJobs = (entries) =>
      this.#add(
        entries.map(({ job, jobId }) => ({ job, jobId, queue })),
        addJobs(entries.map((entry) => ({ ...entry, job: heldBack(entry.job) }))),
      );
    backend.moveToDelayed = (jobId, timestamp, delay, token, opts) => {
      this.#delayed({ queue, id: jobId }, this.clock.now() + delay);
      const write = moveToDelayed(jobId, timestamp, delay + HELD_BACK_MS, token, opts);
      return opts?.skipAttempt ? write : watchEnd('retried', jobId, write);
    };
    backend.changeDelay = (jobId, delay) => (delay > 0 ? changeDelay(jobId, delay) : promote(jobId));
    backend.retryJob = (jobId, ...rest) => watchEnd('retried', jobId, retryJob(jobId, ...rest));
    backend.moveToCompleted = (job, ...rest) =>
      watchEnd('succeeded', job.id ?? '', moveToCompleted(job, ...rest));
    backend.moveToFailed = (job, reason, remove, token, fetchNext, fields) =>
      watchEnd(
        isRevocationStack(lastStack(fields)) ? 'revoked' : 'failed',
        job.id ?? '',
        moveToFailed(job, reason, remove, token, fetchNext, fields),
      );
    return backend;
  }

  #add<R>(jobs: readonly NewJob[], adding: Promise<R>): Promise<R> {
    this.#adding++;
    return adding
      .then((result) => {
        for (const { job, jobId, queue } of jobs) this.#added({ queue, id: jobId }, job);
        return result;
      })
      .finally(() => this.#adding--);
  }

  #added(ref: JobRef, job: JobJson): void {
    const message = messageFrom(JSON.parse(job.data) as unknown);
    this.queues.add(ref.queue);
    const ids = this.#ids.get(ref.queue);
    if (ids === undefined) this.#ids.set(ref.queue, new Set([ref.id]));
    else ids.add(ref.id);
    const { delay = 0, timestamp } = job;
    if (delay > 0) this.#delayed(ref, timestamp + delay);
    if (message.from !== undefined) this.#moved.add(keyOf({ queue: message.from, id: ref.id }));
    else
      this.params.watch.added({
        ref,
        name: job.name,
        message,
        priority: job.priority ?? 0,
        sentAt: timestamp,
      });
  }

  #delayed(ref: JobRef, at: number): void {
    this.#due.set(keyOf(ref), { ref, at });
  }
}

/**
 * Added to every delay, ms. BullMQ uses the machine's clock, which the test does not control, so BullMQ gets due moments
 * that never come. Its scores can hold 12 years.
 */
const HELD_BACK_MS = 5 * 365 * 86_400_000;

function heldBack(job: JobJson): JobJson {
  const { delay = 0 } = job;
  if (delay <= 0) return job;
  return { ...job, delay: delay + HELD_BACK_MS, opts: { ...job.opts, delay: delay + HELD_BACK_MS } };
}

/** Records that expire by the clock of the test. */
class TimedRecords implements Records {
  readonly #expiresAt = new Map<string, number>();
  readonly #keys = new Set<string>();

  constructor(
    private readonly under: Records,
    private readonly clock: BrokerClock,
  ) {}

  async create(key: string, value: string, ttlMs?: number): Promise<boolean> {
    if (this.#isOver(key)) await this.under.remove(key);
    const created = await this.under.create(key, value, ttlMs);
    if (created) this.#note(key, ttlMs);
    return created;
  }

  async read(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    const found = await this.under.read(keys);
    return found.map((record, i) => (this.#isOver(keys[i] ?? '') ? undefined : record));
  }

  async replace(key: string, version: number, value: string, ttlMs?: number): Promise<boolean> {
    if (this.#isOver(key)) return false;
    const replaced = await this.under.replace(key, version, value, ttlMs);
    if (replaced) this.#note(key, ttlMs);
    return replaced;
  }

  async remove(key: string, version?: number): Promise<boolean> {
    const wasOver = this.#isOver(key);
    this.#expiresAt.delete(key);
    return (await this.under.remove(key, version)) && !wasOver;
  }

  async clear(): Promise<void> {
    for (const key of this.#keys) await this.under.remove(key);
    this.#keys.clear();
    this.#expiresAt.clear();
  }

  #note(key: string, ttlMs: number | undefined): void {
    this.#keys.add(key);
    if (ttlMs === undefined) this.#expiresAt.delete(key);
    else this.#expiresAt.set(key, this.clock.now() + ttlMs);
  }

  #isOver(key: string): boolean {
    return (this.#expiresAt.get(key) ?? Number.POSITIVE_INFINITY) <= this.clock.now();
  }
}

/** The original methods, bound, for the replacements to call. */
function bound(backend: IQueueBackend) {
  return {
    addJob: backend.addJob.bind(backend),
    addJobs: backend.addJobs.bind(backend),
    moveToDelayed: backend.moveToDelayed.bind(backend),
    changeDelay: backend.changeDelay.bind(backend),
    promote: backend.promote.bind(backend),
    retryJob: backend.retryJob.bind(backend),
    moveToCompleted: backend.moveToCompleted.bind(backend),
    moveToFailed: backend.moveToFailed.bind(backend),
  };
}

function keyOf({ queue, id }: JobRef): string {
  return `${queue}\0${id}`;
}

/** The last stack that a write is about to store. */
function lastStack(fields: Readonly<Record<string, unknown>> | undefined): string {
  const stacks: unknown = JSON.parse(String(fields?.stacktrace ?? '[]'));
  return Array.isArray(stacks) ? String(stacks.at(-1) ?? '') : '';
}
