/**
 * Consumers over a queue that answers when and how the test says: the real loop, slots, runs and outcome writer on a
 * stand-in for BullMQ's backend. Everything asked of it waits in `pending` until it is answered, refused, or carried out
 * with its answer lost. Jobs with ids such as "b7" are calls of a batch task: the real collector and batches run them.
 */
import type { IQueueBackend, Job, JobJson } from 'bullmq';
import { FetchWatchdog } from '#src/queue/fetch-watchdog.js';
import { OutcomeWriter } from '#src/queue/outcome-writer.js';
import type { Run } from '#src/queue/run.js';
import type { Settlement } from '#src/queue/settlement.js';
import { Share, SlotAccount, type Slots } from '#src/queue/slots.js';
import { type QueueEnd, WorkerLoop, type WorkerLoopParams } from '#src/queue/worker-loop.js';
import type { RegisteredTask } from '#src/tasks/registry.js';
import { BatchCollector } from '#src/worker/batches/collector.js';
import type { RunningCall } from '#src/worker/run/running-call.js';

/** How something that was asked of the broker goes out. */
export type Answer = 'yes' | 'refused' | 'lost';

/** Something that waits for an answer. */
export interface Pending {
  readonly what: 'fetch' | 'wait' | 'write' | 'body' | 'batch' | 'pause' | 'renew';
  readonly of: ModelConsumer;
  /** Of a body. */
  readonly run?: Run | undefined;
  answer(how: Answer): void;
}

/** A call in a batch that has begun. */
export interface ModelMember {
  readonly run: Run;
  /** Ends it from outside, as a revocation or its own time limit does. */
  end(): void;
}

/** How many calls fill a batch. */
const BATCH = 3;

const CONNECTION = () => new Error('Connection is closed.');

/** One queue of a broker. */
export class ModelQueue {
  /** When the next delayed job is due; 0 where there is none. */
  dueAt = 0;
  readonly wait: string[] = [];
  readonly delayed: string[] = [];
  /** The token each active job is locked by. */
  readonly active = new Map<string, string>();
  readonly ended: string[] = [];
  readonly pending: Pending[] = [];
  #marker = false;

  add(id: string): void {
    this.wait.push(id);
    this.#mark();
  }

  /** What BullMQ's check for stalled jobs does with one whose lock has expired. */
  stall(id: string): void {
    if (this.active.delete(id)) this.add(id);
  }

  promote(): void {
    const id = this.delayed.shift();
    if (id !== undefined) this.add(id);
  }

  /** Puts back what is locked by nobody who runs it. */
  stallOrphans(consumers: readonly ModelConsumer[]): void {
    const running = new Set(consumers.flatMap(({ loop }) => loop.runs.map(({ token }) => token)));
    for (const [id, token] of [...this.active]) if (!running.has(token)) this.stall(id);
  }

  /** Answers those who wait for a marker while there is one. */
  deliverMarkers(): void {
    while (this.#marker) {
      const waiting = this.pending.find(({ what }) => what === 'wait');
      if (waiting === undefined) return;
      waiting.answer('yes');
    }
  }

  #mark(): void {
    this.#marker = true;
  }

  putMarkerBack(): void {
    this.#mark();
  }

  fetch(token: string): unknown[] {
    const id = this.wait.shift();
    if (id === undefined) return [undefined, '', 0, this.dueAt];
    this.active.set(id, token);
    this.#mark();
    return [{}, id, 0, 0];
  }

  takeMarker(): { member: string; score: number } | null {
    if (!this.#marker) return null;
    this.#marker = false;
    return { member: '0', score: 0 };
  }

  /** @throws what BullMQ's scripts answer when the job is not this run's */
  leave(id: string, token: string): void {
    if (this.active.get(id) !== token) throw Object.assign(new Error('Lock mismatch'), { code: -6 });
    this.active.delete(id);
  }
}

let consumers = 0;

/** A consumer of a {@link ModelQueue}. */
export class ModelConsumer implements QueueEnd {
  readonly account: SlotAccount;
  readonly loop: WorkerLoop;
  readonly errors: Error[] = [];
  /** What the next bodies end as. */
  settlement: Settlement = { kind: 'complete', value: 1, keep: true, quiet: false };
  locks = 0;
  ending = false;
  /** 0: every fetch was answered late. */
  sureMs = Number.POSITIVE_INFINITY;
  salvage: QueueEnd['salvage'] = async () => undefined;
  /** The due moment it last waited for; 0 for none. */
  waitsUntil = 0;
  /** How long it was to pause after each refusal, ms. */
  readonly rests: number[] = [];
  readonly collector = new BatchCollector(
    { stopping: false } as never,
    { now: () => 0, stopped: false },
    (error) => void this.errors.push(error),
  );
  /** The members of each batch whose code runs. */
  readonly batches = new Set<readonly Run[]>();
  readonly members = new Map<Run, ModelMember>();
  readonly #task: RegisteredTask;
  readonly ended: Promise<void>;
  readonly backend: QueueEnd['backend'];

  constructor(
    readonly queue: ModelQueue,
    slots: Slots,
    share = new Share(),
    gate?: WorkerLoopParams['gate'],
  ) {
    this.account = new SlotAccount(slots, share);
    this.#task = this.#batchTask();
    this.backend = {
      moveToActive: (token: string) => this.#ask('fetch', () => queue.fetch(token)),
      waitForJob: () => this.#ask('wait', () => queue.takeMarker()),
      reconnectBlocking: async () => undefined,
    } as never;
    this.loop = new WorkerLoop({
      queue: 'q',
      node: 'node',
      id: `c${consumers++}`,
      account: this.account,
      gate,
      watchdog: new FetchWatchdog(),
      host: { signals: () => ({}) as never, onProgress: () => undefined },
      writer: new OutcomeWriter({
        backend: () => this.#writes(),
        salvage: async () => undefined,
        copyTo: () => this.#ask('write', () => undefined),
        change: () => this.#ask('write', () => undefined),
        retryIn: () => this.#ask('write', () => undefined),
        isUnavailable: () => true,
        noticeFirst: true,
        notify: () => undefined,
        delaysAndFetches: true,
        abandoned: () => false,
        pause: () => this.#ask('pause', () => undefined).catch(() => undefined),
        onError: (error) => this.errors.push(error),
      }),
      leavesMarker: true,
      putMarkerBack: async () => queue.putMarkerBack(),
      run: (run) => {
        const isBatched = /^b\d/.test(run.job.id ?? '');
        const tasks = { get: () => (isBatched ? this.#task : undefined) };
        if (this.collector.refuses(run.delivery, tasks)) return Promise.resolve({ kind: 'release' });
        return isBatched ? this.#inBatch(run) : this.#ask('body', () => this.settlement, run);
      },
      onError: (error) => this.errors.push(error),
      pause: (ms, signal) => {
        this.rests.push(ms);
        signal.addEventListener('abort', () => this.#drop('pause'));
        return this.#ask('pause', () => undefined).catch(() => undefined);
      },
    });
    this.ended = this.loop.run(this);
  }

  waitSeconds(until: number): number {
    this.waitsUntil = until;
    return 5;
  }

  renew(id: string, token: string): Promise<boolean> {
    return this.#ask('renew', () => this.queue.active.get(id) === token);
  }

  receive(_data: JobJson, id: string, token: string): Job {
    return { id, name: 'task', token, data: { v: 1, args: [] }, opts: {}, attemptsMade: 0 } as never;
  }

  hold(): { release(): void } {
    this.locks++;
    return { release: () => void this.locks-- };
  }

  /** As closing a BullMQ Worker does: what waits for a marker is interrupted, what runs goes on. */
  stop(): void {
    this.ending = true;
    this.collector.close();
    this.loop.stop();
    this.#drop('wait');
  }

  /** As the executor does: waits for others, takes its seat, and ends by its result or otherwise. */
  async #inBatch(run: Run): Promise<Settlement> {
    const admission = await this.collector.join(run.delivery, this.#task);
    if ('outcome' in admission) {
      const { kind } = admission.outcome;
      return kind === 'handBack'
        ? { kind: 'release' }
        : { kind: 'fail', message: kind, stack: '', keep: true };
    }
    const { seat } = admission;
    return new Promise((resolve) => {
      const end = (settlement: Settlement) => {
        this.members.delete(run);
        seat.leave();
        resolve(settlement);
      };
      this.members.set(run, { run, end: () => end(this.settlement) });
      const request = { tags: [], priority: 0, run };
      const call = { delivery: run.delivery, request, limits: {} } as unknown as RunningCall;
      seat.take(call, [run]).then(
        () => end(this.settlement),
        () => end({ kind: 'fail', message: 'x', stack: 'x', keep: true }),
      );
    });
  }

  #batchTask(): RegisteredTask {
    const fn = async (runs: Run[]) => {
      this.batches.add(runs);
      await this.#ask('batch', () => undefined).finally(() => this.batches.delete(runs));
    };
    const run = { batch: { size: BATCH, waitMs: 3_600_000 } };
    return { name: 'task', run, target: { kind: 'function', fn } } as unknown as RegisteredTask;
  }

  #drop(what: Pending['what']): void {
    for (const pending of this.queue.pending.filter((other) => other.of === this && other.what === what))
      pending.answer('refused');
  }

  #ask<R>(what: Pending['what'], carryOut: () => R, run?: Run): Promise<R> {
    const { pending } = this.queue;
    return new Promise((resolve, reject) => {
      const entry: Pending = {
        what,
        of: this,
        run,
        answer: (how) => {
          pending.splice(pending.indexOf(entry), 1);
          if (how === 'refused') return reject(CONNECTION());
          try {
            const result = carryOut();
            if (how === 'lost') reject(CONNECTION());
            else resolve(result);
          } catch (error) {
            reject(error as Error);
          }
        },
      };
      pending.push(entry);
    });
  }

  #writes(): Pick<
    IQueueBackend,
    'moveToCompleted' | 'moveToFailed' | 'moveToDelayed' | 'retryJob' | 'moveJobFromActiveToWait'
  > {
    const { queue } = this;
    const finish = ({ id = '' }: { id?: string }, token: string, fetchNext: boolean) =>
      this.#ask('write', () => {
        queue.leave(id, token);
        queue.ended.push(id);
        return { result: fetchNext ? queue.fetch(token) : undefined, finishedOn: 1 };
      });
    return {
      moveToCompleted: (job: Job, _value: unknown, _keep: unknown, token: string, fetchNext: boolean) =>
        finish(job, token, fetchNext),
      moveToFailed: (job: Job, _why: string, _keep: unknown, token: string, fetchNext: boolean) =>
        finish(job, token, fetchNext),
      moveToDelayed: (
        id: string,
        _at: number,
        _delay: number,
        token: string,
        opts?: { fetchNext?: boolean },
      ) =>
        this.#ask('write', () => {
          queue.leave(id, token);
          queue.delayed.push(id);
          return opts?.fetchNext ? queue.fetch(token) : undefined;
        }),
      retryJob: (id: string, _lifo: boolean, token: string) =>
        this.#ask('write', () => {
          queue.leave(id, token);
          queue.add(id);
        }),
      moveJobFromActiveToWait: (id: string, token: string) =>
        this.#ask('write', () => {
          queue.leave(id, token);
          queue.add(id);
        }),
    } as never;
  }
}
