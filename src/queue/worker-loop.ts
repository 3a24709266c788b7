/**
 * The loop of a consumer: take a slot, fetch, run, write the outcome, release everything.
 *
 *   slot ─► gate ─► fetch ─┬─ a job ──► Run ──► its end is written, with the next fetch ─┬─ a job ──► the next Run
 *                          │                                                             └─ none ──► slot back
 *                          └─ none ──► slot back, wait for the marker of a new job
 *
 * The loop must take a slot before it fetches, so that it never locks a job that cannot run. On Redis a fetch that brings
 * a job leaves a marker behind. The first job after a pause mostly comes alone, so the loop then waits for that marker
 * instead of fetching again. If the loop consumes a marker and has no free slot, it restores the marker for other workers.
 * Refused requests are retried after growing pauses, and none is repeated within one turn of the event loop. A job whose
 * fetch was answered late (a repaired connection, a frozen broker) begins only if its lock is still ours: the lock may
 * have expired meanwhile, and another worker may have run the job.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { IQueueBackend, Job, JobJson } from 'bullmq';
import type { RateToken } from '../coordination/rate-limits.js';
import { sleep } from '../timers.js';
import type { Appetite, DeliveryHost } from './delivery.js';
import type { FetchWatchdog } from './fetch-watchdog.js';
import type { LaneGate } from './lane-gate.js';
import type { RunLock } from './locks/run-locks.js';
import type { Fetched, OutcomeWriter } from './outcome-writer.js';
import { Run } from './run.js';
import type { Settlement } from './settlement.js';
import type { Slot, SlotAccount } from './slots.js';

/** The queue as the loop sees it: BullMQ's Worker, or a test's stand-in. */
export interface QueueEnd {
  readonly backend: Pick<IQueueBackend, 'moveToActive' | 'waitForJob' | 'reconnectBlocking'>;
  /** Whether fetching is to stop. */
  readonly ending: boolean;
  waitSeconds(until: number): number;
  /** How long after the fetch was sent the job is surely ours, ms. */
  readonly sureMs: number;
  /** Extends a lock to its full duration. `false` when the lock is no longer ours. */
  renew(jobId: string, token: string): Promise<boolean>;
  receive(data: JobJson, jobId: string, token: string): Job | Promise<Job | undefined>;
  hold(jobId: string, token: string, since: number): RunLock;
  /** Finds and repairs the unreadable job that a fetch took and failed on. The job will fail. Never rejects. */
  salvage(error: unknown, token: string, except?: string): Promise<Fetched | undefined>;
}

export interface WorkerLoopParams {
  readonly queue: string;
  /** The node's name, stored with each job that it runs. */
  readonly node: string;
  /** The unique prefix of this loop's tokens. */
  readonly id: string;
  readonly account: SlotAccount;
  /** The gate of a lane; other queues have none. */
  readonly gate: LaneGate | undefined;
  readonly watchdog: FetchWatchdog;
  readonly host: DeliveryHost;
  readonly writer: OutcomeWriter;
  /** Whether a fetch that brings a job leaves a marker behind, so that another worker looks for more. */
  readonly leavesMarker: boolean;
  /** Restores a consumed marker, so that another worker wakes up. */
  putMarkerBack(): Promise<void>;
  /** Runs a job; one that has no slot only if it needs none. */
  run(run: Run): Promise<Settlement>;
  onError(error: Error): void;
  /** Resolves after `ms`, or when `signal` aborts; never rejects. */
  pause?(ms: number, signal: AbortSignal): Promise<void>;
}

/** First pause after the broker refused a request, ms; it doubles up to a bound. */
const REST_MS = 100;
const LONGEST_REST_MS = 5000;
/** Longest wait for a slot, ms, before the loop checks its state. */
const SLOT_WAIT_MS = 5000;
/** How late a worker comes to what it may have refused, ms: longer than another worker needs to fetch it. */
const LATE_MS = 150;
/** For so long after the due moment of a refused job this worker comes late, ms. */
const YIELD_MS = 1000;
/** As in BullMQ: a longer rate limit is waited out in pieces, so that due delayed jobs are noticed. */
const LONGEST_LIMIT_MS = 30_000;

/** Fetches and runs the jobs of one queue. */
export class WorkerLoop {
  readonly #runs: Run[] = [];
  /** Slots held for a fetch under way. */
  #fetching = 0;
  #tokens = 0;
  /** True after a fetch that found nothing: the next job may come alone. */
  #quiet = true;
  /** When the next delayed job is due, epoch ms of BullMQ's; 0 when none is known. */
  #dueAt = 0;
  /** When BullMQ's own rate limit ends, on this process's steady clock, ms. */
  #limitedUntil = 0;
  /** Until when this worker comes late to delayed jobs, on this process's steady clock. */
  #yieldsUntil = 0;
  #restMs = REST_MS;
  #resting: AbortController | undefined;
  #onIdle: (() => void) | undefined;
  #stopped = false;

  constructor(private readonly params: WorkerLoopParams) {}

  /** The current runs. */
  get runs(): readonly Run[] {
    return this.#runs;
  }

  /** How many slots are in use, by runs and by a fetch under way. */
  get slotsInUse(): number {
    return this.#runs.filter((run) => run.hasSlot).length + this.#fetching;
  }

  /** Fetches until the loop is stopped or the Worker closes; resolves when all runs have ended. Never rejects. */
  async run(end: QueueEnd): Promise<void> {
    while (!end.ending && !this.#stopped) {
      try {
        await this.#step(end);
        this.#restMs = REST_MS;
      } catch (error) {
        this.params.onError(error instanceof Error ? error : new Error(String(error)));
        await this.#rest();
      }
    }
    if (this.#runs.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Stops fetching. */
  stop(): void {
    this.#stopped = true;
    this.#resting?.abort();
    this.params.gate?.close();
    this.params.account.close();
  }

  /** One fetch and the wait after it. */
  async #step(end: QueueEnd): Promise<void> {
    const { account, gate, leavesMarker } = this.params;
    await this.#untilAllowed();
    const slot = account.take();
    if (slot === undefined) {
      await this.#waitForSlot();
      return;
    }
    const found = await this.#fetch(end, slot);
    if (found === 'again') return;
    const first = this.#quiet;
    this.#quiet = found === 'nothing';
    // Behind a gate, each fetch needs its own permission.
    if (found === 'job' && (gate !== undefined || !leavesMarker || !first)) return;
    // Lets the started job run first; it may end at once.
    if (found === 'job') await nextTurn();
    await this.#waitForJob(end);
  }

  async #fetch(end: QueueEnd, slot: Slot): Promise<'job' | 'nothing' | 'again'> {
    const { gate, node, watchdog } = this.params;
    const token = `${this.params.id}:${this.#tokens++}`;
    let turn: RateToken | undefined;
    let run: Run | undefined;
    this.#fetching++;
    watchdog.fetching();
    try {
      if (gate !== undefined) {
        const permit = await gate.enter();
        if (!permit.granted) return 'again';
        turn = permit.turn;
      }
      const askedAt = performance.now();
      let fetched: Fetched;
      try {
        fetched = (await end.backend.moveToActive(token, node)) as never as Fetched;
      } catch (error) {
        fetched = await this.#salvage(end, token, error);
      }
      const [data, id, limitDelay, delayUntil] = fetched;
      this.#note(limitDelay, delayUntil);
      if (!data) return 'nothing';
      const received = receive(end, data, id, token, askedAt);
      const job = received instanceof Promise ? await received : received;
      if (job === undefined) return 'again';
      run = this.#begin(end, job, token, slot, turn);
      return 'job';
    } finally {
      this.#fetching--;
      watchdog.turned();
      if (run === undefined) {
        slot.giveUnused();
        turn?.unused()?.catch(() => undefined); // best effort: the token is lost
      } else void this.#follow(end, run);
    }
  }

  async #salvage(end: QueueEnd, token: string, error: unknown): Promise<Fetched> {
    const salvaged = await end.salvage(error, token);
    if (salvaged === undefined) throw error;
    // The failed fetch may have left no marker.
    this.#quiet = false;
    return salvaged;
  }

  #begin(end: QueueEnd, job: Job, token: string, slot: Slot | undefined, turn: RateToken | undefined): Run {
    const { queue, host, account } = this.params;
    const lock = end.hold(job.id ?? '', token, job.processedOn ?? 0);
    const run = new Run(job, token, slot, account, lock, turn, queue, host);
    run.place = this.#runs.push(run) - 1;
    return run;
  }

  /** Runs one job after the other while each end brings the next. Never rejects. */
  async #follow(end: QueueEnd, first: Run): Promise<void> {
    let run: Run | undefined = first;
    let fed: Appetite | undefined;
    try {
      while (run !== undefined) {
        const settling = this.#settlement(run);
        // Only now: the job has come to where it was wanted.
        fed?.fed();
        fed = undefined;
        const settlement = await settling;
        if (settlement.kind === 'postpone' && settlement.yields === true)
          this.#yieldsUntil = performance.now() + settlement.delayMs + YIELD_MS;
        const askedAt = performance.now();
        const { hasSlot, appetite } = run;
        let wanted = false;
        const mayFetch = () => {
          if (!this.#mayContinue(end)) return false;
          wanted ||= !hasSlot && appetite?.wants() === true;
          return hasSlot || wanted;
        };
        const fetched = await this.params.writer.write(run, settlement, mayFetch);
        fed = wanted ? appetite : undefined;
        const next = this.#next(end, run, fetched, askedAt);
        run = next instanceof Promise ? await next : next;
      }
    } catch (error) {
      this.params.onError(error instanceof Error ? error : new Error(String(error)));
    } finally {
      fed?.fed();
      if (run !== undefined) this.#end(run);
    }
  }

  /** Runs the job. Writes a failure that BullMQ has decided already (a child of another program's flow) as it is. */
  async #settlement(run: Run): Promise<Settlement> {
    const { deferredFailure } = run.job;
    if (deferredFailure) return { kind: 'fail', message: deferredFailure, stack: '', keep: true };
    try {
      return await this.params.run(run);
    } catch (error) {
      // The outcome is unknown: the task will be delivered again.
      this.params.onError(error instanceof Error ? error : new Error(String(error)));
      return { kind: 'abandon' };
    }
  }

  /** Starts the job that was fetched with the end of `run`, on the slot of `run`. */
  #next(
    end: QueueEnd,
    run: Run,
    fetched: Fetched | undefined,
    askedAt: number,
  ): Run | undefined | Promise<Run | undefined> {
    if (fetched === undefined) return this.#end(run);
    const [data, id, limitDelay, delayUntil] = fetched;
    this.#note(limitDelay, delayUntil);
    if (!data) return this.#end(run);
    const received = receive(end, data, id, run.token, askedAt);
    if (received instanceof Promise) return received.then((job) => this.#replace(end, run, job));
    return this.#replace(end, run, received);
  }

  #replace(end: QueueEnd, run: Run, job: Job | undefined): Run | undefined {
    if (job === undefined) return this.#end(run);
    const slot = run.passSlot();
    this.#end(run);
    const next = this.#begin(end, job, run.token, slot, undefined);
    if (slot === undefined) next.takeFreeSlot();
    return next;
  }

  #end(run: Run): undefined {
    run.release();
    const last = this.#runs.pop();
    if (last !== undefined && last !== run) {
      this.#runs[run.place] = last;
      last.place = run.place;
    }
    if (this.#runs.length === 0) this.#onIdle?.();
  }

  #mayContinue(end: QueueEnd): boolean {
    const { gate, account } = this.params;
    return gate === undefined && !end.ending && !this.#stopped && account.mayContinue();
  }

  /** Waits until a job was added, or a delayed one is due. */
  async #waitForJob(end: QueueEnd): Promise<void> {
    const { watchdog, account } = this.params;
    while (!end.ending && !this.#stopped) {
      const seconds = end.waitSeconds(this.#lateDueAt);
      this.#dueAt = 0;
      if (seconds <= 0) return;
      this.#audit();
      watchdog.waiting(seconds * 1000);
      try {
        const marker = await end.backend.waitForJob(seconds);
        if (marker === null) return;
        if (marker.score <= Date.now()) {
          // This marker may be the only one, and another worker may have a free slot.
          if (!account.hasRoom && this.params.leavesMarker) await this.params.putMarkerBack();
          return;
        }
        this.#dueAt = marker.score;
      } catch (error) {
        if (end.ending || this.#stopped) return;
        await end.backend.reconnectBlocking();
        throw error;
      } finally {
        watchdog.turned();
      }
    }
  }

  /**
   * When to look for the next delayed job. It may be one that this worker has refused: all workers that wait wake up at
   * its due moment, and the broker serves the oldest connection first, which a newer worker never has.
   */
  get #lateDueAt(): number {
    if (this.#dueAt === 0 || performance.now() > this.#yieldsUntil) return this.#dueAt;
    return this.#dueAt + LATE_MS;
  }

  async #waitForSlot(): Promise<void> {
    const { watchdog, account } = this.params;
    this.#audit();
    watchdog.waiting(SLOT_WAIT_MS);
    await account.whenFree(SLOT_WAIT_MS);
    watchdog.turned();
  }

  /** Waits while the gate is shut, or BullMQ's own rate limit holds. */
  async #untilAllowed(): Promise<void> {
    const { gate, watchdog } = this.params;
    const limitedMs = this.#limitedUntil - performance.now();
    if (limitedMs > 0) {
      watchdog.waiting(Math.min(limitedMs, LONGEST_LIMIT_MS));
      await this.#pause(Math.min(limitedMs, LONGEST_LIMIT_MS));
      this.#limitedUntil = 0;
    }
    if (gate !== undefined && gate.closedForMs > 0) {
      watchdog.waiting(gate.closedForMs);
      await gate.untilOpen();
    }
    watchdog.turned();
  }

  #note(limitDelay = 0, delayUntil = 0): void {
    this.#limitedUntil = limitDelay > 0 ? performance.now() + limitDelay : 0;
    this.#dueAt = Math.max(delayUntil, 0);
  }

  async #rest(): Promise<void> {
    await this.#pause(this.#restMs);
    this.#restMs = Math.min(this.#restMs * 2, LONGEST_REST_MS);
  }

  async #pause(ms: number): Promise<void> {
    if (this.#stopped) return;
    this.#resting = new AbortController();
    const { signal } = this.#resting;
    await (this.params.pause?.(ms, signal) ?? sleep(ms, { signal }));
    this.#resting = undefined;
  }

  /** Checks that every held slot is in use. If not, reports the difference and corrects it. */
  #audit(): void {
    const { account, onError, queue } = this.params;
    const surplus = account.held - this.slotsInUse;
    if (surplus === 0) return;
    account.reconcile(this.slotsInUse);
    onError(new Error(`queue "${queue}" held ${surplus} slots that nothing ran on; they were given back`));
  }
}

/**
 * Turns fetched data into a job; `undefined` when there is nothing to run.
 * @param askedAt when the fetch was sent at the earliest, on this process's steady clock, ms
 */
function receive(
  end: QueueEnd,
  data: JobJson,
  id: string,
  token: string,
  askedAt: number,
): Job | Promise<Job | undefined> {
  if (performance.now() - askedAt < end.sureMs) return end.receive(data, id, token);
  return end.renew(id, token).then((ours) => (ours ? end.receive(data, id, token) : undefined));
}
