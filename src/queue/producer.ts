/**
 * Sends task messages to queues. The calls of one tick go in one batch; a lone call is not delayed. While the broker is
 * unreachable, retries for `publishRetry`, with the same ids, so that nothing is sent twice.
 */
import type { IQueueBackend, JobJson } from 'bullmq';
import type { Engine } from '../broker/broker.js';
import { refusalIn, unavailable, withoutArguments } from '../broker/redis/errors.js';
import { untilAnswered } from '../broker/until-answered.js';
import { BrokerError, BrokerUnavailableError, CeleriacError } from '../errors.js';
import type { AcceptanceRule } from '../options/acceptance.js';
import { sleep } from '../timers.js';
import { Deadlines } from './deadlines.js';

/** A task on its way to the broker. */
export interface Envelope {
  /** The id that the caller gets. */
  readonly taskId: string;
  /** The id of the BullMQ job. */
  readonly jobId: string;
  readonly queue: string;
  readonly name: string;
  /** The message, as JSON text. */
  readonly data: string;
  /** Epoch ms, broker's clock. */
  readonly sentAt: number;
  readonly delayMs: number;
  readonly priority: number;
  /** The trace of the call, if the app has telemetry. */
  readonly trace?: string;
  /** The call waits until a replica of the broker has the task. */
  readonly replicated?: true;
  /** How long the call may keep trying, ms. Default: as long as every call. */
  readonly retryMs?: number;
}

/** How tasks are sent together. */
export interface TogetherOptions {
  /** The call waits until a replica of the broker has the tasks. */
  readonly replicated?: boolean;
  /** The mark under which they are sent once, however often this is called. */
  readonly mark?: string;
}

interface Pending {
  readonly envelope: Envelope;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A send that waits for a replica, over all its tries. */
interface ReplicatedAttempt {
  readonly budgetMs: number;
  /** The last error. */
  met: unknown;
  /**
   * When to stop waiting for a replica, by `performance.now()`; known once the broker has the tasks. A deadline of its
   * own: the broker's answers show that the broker is there, not its replica.
   */
  until: number;
}

/** Most jobs per pipeline: more would block the event loop and the broker for too long. */
const CHUNK = 500;

/** Sends tasks, in batches and with retries. */
export class Producer {
  #queued: Pending[] = [];
  readonly #deadlines: Deadlines;
  readonly #flushing = () => this.#flush();

  constructor(
    private readonly engine: Engine,
    /** How long one call may keep trying while the broker does not answer, ms. */
    readonly budgetMs: number,
    /** Whether a call waits for a replica; throws for a broker that cannot have one. */
    readonly replicated: AcceptanceRule = () => false,
  ) {
    this.#deadlines = new Deadlines(budgetMs, () => engine.answers());
  }

  /**
   * Resolves when the broker has the task.
   * @throws {BrokerUnavailableError} with the task's id when the broker did not answer in time
   */
  send(envelope: Envelope): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queued.push({ envelope, resolve, reject });
      // All calls of this tick join the batch; a lone call leaves after the current microtask.
      if (this.#queued.length === 1) void NEXT.then(this.#flushing);
    });
  }

  /**
   * Sends many tasks, in pieces of at most 500 per queue. Resolves when the broker has all.
   * @throws {BrokerUnavailableError} with the id of the first task of the piece that failed
   */
  async sendAll(envelopes: readonly Envelope[]): Promise<void> {
    const pieces: Promise<void>[] = [];
    for (const [queue, batch] of groupByQueue(envelopes, (envelope) => envelope))
      for (let i = 0; i < batch.length; i += CHUNK) {
        const piece = batch.slice(i, i + CHUNK);
        const [first] = piece;
        pieces.push(
          this.#deliver(queue, piece).catch((error: unknown) => {
            throw withTaskId(error, first?.taskId ?? '');
          }),
        );
      }
    await Promise.all(pieces);
  }

  /**
   * Runs `first`, then sends tasks to any queues in one atomic step. A retry repeats both.
   * @throws {BrokerUnavailableError} with `taskId` when the broker did not answer in time
   */
  async together(
    envelopes: readonly Envelope[],
    taskId: string,
    first: () => Promise<void>,
    { replicated = false, mark }: TogetherOptions = {},
  ): Promise<void> {
    const release = this.engine.hold();
    try {
      await this.#trying(replicated, this.budgetMs, async () => {
        await first();
        const jobs = envelopes.map((e) => ({ queue: e.queue, jobId: e.jobId, job: jobJson(e) }));
        await (mark === undefined
          ? this.engine.addTogether(jobs)
          : this.engine.relayed.add([{ mark, jobs }]));
      });
    } catch (error) {
      throw withTaskId(error, taskId);
    } finally {
      release();
    }
  }

  #flush(): void {
    const queued = this.#queued;
    this.#queued = [];
    const [only] = queued;
    if (only !== undefined && queued.length === 1) {
      this.#settle(only.envelope.queue, queued);
      return;
    }
    for (const [queue, batch] of groupByQueue(queued, ({ envelope }) => envelope))
      for (let i = 0; i < batch.length; i += CHUNK) this.#settle(queue, batch.slice(i, i + CHUNK));
  }

  #settle(queue: string, batch: readonly Pending[]): void {
    const envelopes = batch.map(({ envelope }) => envelope);
    this.#deliver(queue, envelopes).then(
      () => {
        for (const { resolve } of batch) resolve();
      },
      (error: unknown) => {
        for (const { envelope, reject } of batch) reject(withTaskId(error, envelope.taskId));
      },
    );
  }

  async #deliver(queue: string, envelopes: readonly Envelope[]): Promise<void> {
    const release = this.engine.hold();
    try {
      const { replicated = false, retryMs = this.budgetMs } = envelopes[0] ?? {};
      await this.#trying(replicated, retryMs, () => this.#add(queue, envelopes));
    } finally {
      release();
    }
  }

  /**
   * The result of a step before the send, unless `budgetMs` passes first. Starts it again while the broker is unreachable.
   * @throws {BrokerUnavailableError}
   */
  async patiently(budgetMs: number, body: () => Promise<void> | undefined): Promise<void> {
    const deadline = this.#deadlines.begin(budgetMs);
    const tried = untilAnswered(budgetMs, async () => body());
    const giveUp = () => unavailable(this.engine.address, new Error('no answer'));
    await (this.engine.oneProcess ? tried : this.#deadlines.within(tried, deadline, giveUp));
  }

  async #trying(replicated: boolean, budgetMs: number, body: () => Promise<void>): Promise<void> {
    const deadline = this.#deadlines.begin(budgetMs);
    const attempt: ReplicatedAttempt = { budgetMs, met: undefined, until: Number.POSITIVE_INFINITY };
    const giveUp = () => unavailable(this.engine.address, attempt.met ?? new Error('no answer'));
    for (;;) {
      try {
        const added = replicated ? this.#replicated(body, attempt) : body();
        // A database in this process is never unreachable: it answers, however long it takes.
        return await (this.engine.oneProcess ? added : this.#deadlines.within(added, deadline, giveUp));
      } catch (error) {
        const refused = refusalIn(error, this.engine.address);
        if (refused !== undefined) throw refused;
        if (!this.engine.isUnavailable(error)) throw error;
        attempt.met = error;
        if (performance.now() >= Math.min(deadline.at, attempt.until)) throw giveUp();
        await sleep(RETRY_PAUSE_MS);
      }
    }
  }

  /** Runs `body`, then waits for a replica. Without replication, as on the engine that tests swap in, does not wait. */
  async #replicated(body: () => Promise<void>, attempt: ReplicatedAttempt): Promise<void> {
    const { replication, address } = this.engine;
    if (replication === undefined) return body();
    const begun = await replication.begin();
    await body();
    attempt.met = unreplicated(address);
    const now = performance.now();
    attempt.until = Math.min(attempt.until, now + attempt.budgetMs);
    const outcome = await replication.confirm(begun, attempt.until - now);
    if (outcome !== 'confirmed') throw unreplicated(address);
  }

  async #add(queue: string, envelopes: readonly Envelope[]): Promise<void> {
    const backend: IQueueBackend = await this.engine.backend(queue);
    const [first] = envelopes;
    if (envelopes.length === 1 && first !== undefined) await backend.addJob(jobJson(first), first.jobId, {});
    else
      await backend.addJobs(envelopes.map((e) => ({ job: jobJson(e), jobId: e.jobId, parentKeyOpts: {} })));
  }
}

function unreplicated(address: string): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `No replica of the broker at ${address} is known to have it, which acceptance: 'replicated' asks for.`,
    { address },
  );
}

const RETRY_PAUSE_MS = 50;
/** For running a step one microtask later; `queueMicrotask` would create an async resource each time. */
const NEXT = Promise.resolve();

/** A job in the form that BullMQ's backends expect. Without options for retries and retention: the worker decides them. */
export function jobJson(e: Omit<Envelope, 'taskId' | 'queue'>): JobJson {
  const opts = {
    ...(e.delayMs > 0 && { delay: e.delayMs }),
    ...(e.priority > 0 && { priority: e.priority }),
    ...(e.trace !== undefined && { telemetry: { metadata: e.trace } }),
  };
  return {
    id: e.jobId,
    name: e.name,
    data: e.data,
    opts,
    timestamp: e.sentAt,
    delay: e.delayMs,
    priority: e.priority,
    progress: 0,
    attemptsMade: 0,
    attemptsStarted: 0,
    stalledCounter: 0,
    failedReason: '',
    returnvalue: '',
  };
}

/**
 * Groups by queue. Calls that wait for a replica, or for a time of their own, form groups of their own, so that the others
 * do not wait too.
 */
function groupByQueue<T>(items: readonly T[], envelopeOf: (item: T) => Envelope): [string, T[]][] {
  const groups = new Map<string, [string, T[]]>();
  for (const item of items) {
    const { queue, replicated, retryMs } = envelopeOf(item);
    const plain = replicated !== true && retryMs === undefined;
    const key = plain ? queue : `${queue}\n${replicated === true} ${retryMs}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [queue, [item]]);
    else group[1].push(item);
  }
  return [...groups.values()];
}

/** Awaits `sending`, and adds the call's id to a BrokerUnavailableError without one. */
export async function naming<R>(taskId: string, sending: Promise<R>): Promise<R> {
  try {
    return await sending;
  } catch (error) {
    const nameless = error instanceof BrokerUnavailableError && error.taskId === undefined;
    throw nameless ? withTaskId(error, taskId) : error;
  }
}

function withTaskId(error: unknown, taskId: string): unknown {
  if (error instanceof BrokerUnavailableError) {
    return new BrokerUnavailableError(
      `${error.message} The call may or may not have been accepted; calling again with { taskId: error.taskId } is safe.`,
      { address: error.address, taskId, cause: error.cause },
    );
  }
  if (error instanceof CeleriacError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BrokerError(`The broker refused task "${taskId}": ${message}`, {
    cause: withoutArguments(error),
  });
}
