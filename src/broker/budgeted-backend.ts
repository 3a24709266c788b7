/**
 * A BullMQ backend that takes a slot before it fetches and gives it back when a job leaves, so that several queues
 * share one budget and its size can change at any moment. Waiting for a slot happens before a job is locked: nothing
 * reads STARTED that does not run. It also tells waiters when a job has moved on.
 */
import type { BackendFactory, IQueueBackend } from 'bullmq';
import type { Gate } from './gate.js';
import { LoneJobs } from './lone-jobs.js';
import type { Pulse } from './pulse.js';
import type { SlotLedger, Slots } from './slots.js';

/** What a consumer wants to know of its backend. */
export interface BackendHooks {
  readonly ledger: SlotLedger;
  /** Stands before a lane; other queues have none. */
  readonly gate: Gate | undefined;
  /**
   * A job was written: ended, delayed, or put back.
   * @param completed the job itself, if that is how it ended
   */
  moved(jobId: string, completed?: CompletedJob): void;
  /** Whether to say so while the write is under way (see Signals.ordered). */
  readonly noticeFirst: boolean;
  /** A fetch that brings a job leaves a marker behind it, so that somebody looks for more (BullMQ's scripts on Redis). */
  readonly leavesMarker: boolean;
  /** That write has been made, or has failed. */
  left(jobId: string, written: boolean): void;
  /** Told of every step of fetching. */
  readonly pulse: Pulse;
}

/** What BullMQ hands over with a completion. */
export type CompletedJob = Parameters<IQueueBackend['moveToCompleted']>[0];

/** Decorates `factory`; the result is a Worker's last constructor argument. */
export function budgeted(factory: BackendFactory<IQueueBackend, never>, hooks: BackendHooks): typeof factory {
  return (name, opts, options) => {
    const backend = factory(name, opts, options);
    return options?.withBlockingConnection ? decorate(backend, hooks) : backend;
  };
}

type NextJob = unknown[];
/** BullMQ's default, which nobody fetches under. */
const NO_TOKEN = '0';
const NO_JOB: NextJob = [undefined, undefined, 0, 0];

function decorate(backend: IQueueBackend, hooks: BackendHooks): IQueueBackend {
  const { ledger, gate, moved, left, noticeFirst, leavesMarker, pulse } = hooks;
  /** A fetch was refused for want of a slot: the next wait is for a slot, not for a job. */
  let owed = false;
  /** A slot taken while waiting, for the fetch that follows. */
  let reserved: Slots | undefined;
  /** When the gate may be asked again, on this process's steady clock. */
  let shutUntil = 0;

  /** Behind a gate each fetch is asked for by itself. */
  const mayFetchNext = (): boolean => gate === undefined && ledger.slots.mayContinue(ledger);

  const take = (): Slots | undefined =>
    !ledger.closed && ledger.slots.tryTake(ledger.share) ? ledger.slots : undefined;

  const original = {
    moveToActive: backend.moveToActive.bind(backend),
    waitForJob: backend.waitForJob.bind(backend),
    moveToCompleted: backend.moveToCompleted.bind(backend),
    moveToFailed: backend.moveToFailed.bind(backend),
    moveToDelayed: backend.moveToDelayed.bind(backend),
    retryJob: backend.retryJob.bind(backend),
    moveJobFromActiveToWait: backend.moveJobFromActiveToWait.bind(backend),
  };

  const lone = gate === undefined && leavesMarker ? new LoneJobs(original.waitForJob) : undefined;

  /** Runs a write that ends a job's stay; its slot goes to the job fetched with it, or back. */
  function leaving<R>(
    jobId: string,
    token: string | undefined,
    write: Promise<R>,
    nextOf: (result: R) => unknown,
    completed?: CompletedJob,
  ): Promise<R> {
    if (noticeFirst) moved(jobId, completed);
    return write.then(
      (result) => {
        const next = fetchedId(nextOf(result));
        if (!noticeFirst) moved(jobId, completed);
        ledger.leave(token ?? NO_TOKEN, next !== undefined);
        left(jobId, true);
        return result;
      },
      (error: unknown) => {
        ledger.leave(token ?? NO_TOKEN);
        left(jobId, false);
        throw error;
      },
    );
  }

  async function letIn(gate: Gate): Promise<boolean> {
    const waitMs = gate.closed ? 0 : await gate.enter();
    if (waitMs === 0) return !gate.closed;
    // BullMQ's own way to wait for a rate sleeps until a running job ends; a wait for a job does not.
    shutUntil = performance.now() + waitMs;
    owed = true;
    return false;
  }

  backend.moveToActive = async (token, name) => {
    if (lone?.leavesToMarker()) {
      // Whoever waited has a slot for the fetch that is left out now.
      reserved?.giveUnused(ledger.share);
      reserved = undefined;
      return NO_JOB;
    }
    const slots = reserved ?? take();
    reserved = undefined;
    if (slots === undefined) {
      owed = true;
      return NO_JOB;
    }
    let fetched: string | undefined;
    pulse.fetching();
    try {
      if (gate !== undefined && !(await letIn(gate))) return NO_JOB;
      const next: NextJob = await original.moveToActive(token, name);
      fetched = fetchedId(next);
      lone?.fetched(fetched !== undefined);
      if (gate === undefined) return next;
      await gate.passed(fetched);
      return fetched === undefined ? next : startAtOnce(next);
    } finally {
      pulse.turned();
      if (fetched === undefined) slots.giveUnused(ledger.share);
      else ledger.assign(token, slots);
    }
  };

  backend.waitForJob = async (timeoutSeconds) => {
    pulse.waiting(timeoutSeconds * 1000);
    try {
      return await waitForJob(timeoutSeconds);
    } finally {
      pulse.turned();
    }
  };

  const waitForJob: IQueueBackend['waitForJob'] = async (timeoutSeconds) => {
    const deadline = Date.now() + timeoutSeconds * 1000;
    if (!owed) {
      const marker = await (lone?.wait(timeoutSeconds) ?? original.waitForJob(timeoutSeconds));
      if (marker === null || marker.score > Date.now()) return marker;
      reserved = take();
      lone?.woken();
      if (reserved !== undefined) return marker;
      // The marker was the only wake-up and is gone now: look at the queue once a slot is free.
      owed = true;
    }
    for (;;) {
      const shutMs = shutUntil - performance.now();
      if (gate !== undefined && shutMs > 0) {
        await gate.pause(Math.min(shutMs, Math.max(1, deadline - Date.now())));
        shutUntil = 0;
        if (gate.closed) return null;
      }
      reserved = take();
      if (reserved !== undefined) {
        owed = false;
        return { member: '0', score: 0 };
      }
      const free = await ledger.slots.whenFree(Math.max(1, deadline - Date.now()), ledger);
      if (!free || ledger.closed) return null;
    }
  };

  backend.moveToCompleted = (job, value, remove, token, fetchNext) => {
    const write = original.moveToCompleted(job, value, remove, token, fetchNext && mayFetchNext());
    return leaving(job.id ?? '', token, write, (done) => done.result, job);
  };

  backend.moveToFailed = (job, reason, remove, token, fetchNext, fields) => {
    const write = original.moveToFailed(job, reason, remove, token, fetchNext && mayFetchNext(), fields);
    return leaving(job.id ?? '', token, write, (done) => done.result);
  };

  backend.moveToDelayed = (jobId, timestamp, delay, token, opts) =>
    leaving(
      jobId,
      token,
      original.moveToDelayed(jobId, timestamp, delay, token, {
        ...opts,
        fetchNext: Boolean(opts?.fetchNext) && mayFetchNext(),
      }),
      (next) => next,
    );

  backend.retryJob = (jobId, lifo, token, opts) =>
    leaving(jobId, token, original.retryJob(jobId, lifo, token, opts), () => undefined);

  backend.moveJobFromActiveToWait = (jobId, token) =>
    leaving(jobId, token, original.moveJobFromActiveToWait(jobId, token), () => undefined);

  return backend;
}

/**
 * A job that is let out alone must not wait for the next: BullMQ's loop goes on fetching, and begins what it has only
 * then, unless the fetch names a moment until which there is nothing more to fetch. Any moment will do, a past one too.
 */
function startAtOnce([job, id]: NextJob): NextJob {
  return [job, id, 0, 1];
}

/** The id of the job a fetch brought: backends answer `[job, id, limitDelay, delayUntil]`. */
function fetchedId(next: unknown): string | undefined {
  return Array.isArray(next) && next[0] ? String(next[1]) : undefined;
}
