/**
 * Writes the outcome of a job: one atomic step of BullMQ's per settlement, repeated until the broker's answer is final
 * (see `write-answers`). Where BullMQ can, the same step fetches the next job.
 */
import type { IQueueBackend, JobJson } from 'bullmq';
import { keptStacks } from './earlier-stacks.js';
import type { Run } from './run.js';
import type { Retry, RetryChange, Settlement } from './settlement.js';
import { type WriteAnswer, writeAnswer } from './write-answers.js';

/** A backend's answer to a fetch: job, id, how long BullMQ's own rate limit holds, and when the next job is due. */
export type Fetched = readonly [
  data: JobJson | undefined | null,
  id: string,
  limitDelay?: number,
  delayUntil?: number,
];

export interface OutcomeWriterParams {
  backend(): Pick<
    IQueueBackend,
    'moveToCompleted' | 'moveToFailed' | 'moveToDelayed' | 'retryJob' | 'moveJobFromActiveToWait'
  >;
  /** Copies a job into its lane; completing it here is the last step of the relocation. */
  copyTo(run: Run, lane: string): Promise<void>;
  /** Changes a job for its next attempt. */
  change(run: Run, change: RetryChange): Promise<void>;
  /** Copies a job to where its next attempt is due; completing it here is the last step of that. */
  retryIn(run: Run, place: string, retry: Retry): Promise<void>;
  /** Whether an error shows that the broker is unreachable: the engine reports that, once. */
  isUnavailable(error: unknown): boolean;
  /** True if a notice sent while the write is under way arrives after the write. */
  readonly noticeFirst: boolean;
  /** Notifies the waiters of this job. */
  notify(run: Run, completed: boolean): void;
  /** Whether delaying a job can fetch the next in the same step. In two steps, a failed fetch would hide the first. */
  readonly delaysAndFetches: boolean;
  readonly abandoned: () => boolean;
  /** Called once an outcome is written. */
  onWritten?(run: Run, settlement: Settlement): void;
  /** The unreadable job that was fetched with the end of this run; the end itself was written. Never rejects. */
  salvage(error: unknown, run: Run): Promise<Fetched | undefined>;
  pause(ms: number): Promise<void>;
  onError(error: Error): void;
}

/** First pause between two tries of a write, ms; it doubles up to a bound. */
const AGAIN_MS = 50;
const LONGEST_AGAIN_MS = 1000;
/** Delay after which a failed relocation is tried again, ms. */
const MOVE_AGAIN_MS = 1000;

export class OutcomeWriter {
  /** Work still running after written outcomes. */
  readonly #finishing = new Set<Promise<unknown>>();

  constructor(private readonly params: OutcomeWriterParams) {}

  /**
   * Writes the outcome. Resolves when the broker's answer is final, with the job fetched in the same step. Never rejects.
   * @param mayFetch called at each try: whether to fetch the next job in the same step
   */
  async write(run: Run, settlement: Settlement, mayFetch: () => boolean): Promise<Fetched | undefined> {
    if (settlement.kind === 'abandon') return undefined;
    let pauseMs = AGAIN_MS;
    // Even an abandoned consumer tries once: the broker may be reachable after all.
    for (let tries = 1; tries === 1 || !this.params.abandoned(); tries++) {
      try {
        const fetched = await this.#once(run, settlement, mayFetch);
        this.#written(run, settlement);
        return fetched;
      } catch (error) {
        const salvaged = await this.params.salvage(error, run);
        if (salvaged !== undefined) {
          if (!this.params.noticeFirst) this.params.notify(run, settlement.kind === 'complete');
          this.#written(run, settlement);
          return salvaged;
        }
        const answer = writeAnswer(error);
        if (answer === 'gone') {
          // After a retry, the earlier try was written and only its answer was lost.
          if (tries > 1) this.#written(run, settlement);
          return undefined;
        }
        this.#report(error, answer, run, tries);
        if (answer === 'refused') return this.#refused(run, settlement, error, mayFetch);
      }
      await this.params.pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_AGAIN_MS);
    }
    return undefined;
  }

  /** Resolves when all work after written outcomes is done. */
  async finished(): Promise<void> {
    while (this.#finishing.size > 0) await Promise.all(this.#finishing);
  }

  #once(run: Run, settlement: Settlement, mayFetch: () => boolean): Promise<Fetched | undefined> {
    switch (settlement.kind) {
      case 'complete':
        if (settlement.quiet) run.quiet = true;
        return this.#complete(run, settlement.value, settlement.keep, mayFetch);
      case 'fail':
        return this.#fail(run, settlement, mayFetch);
      case 'retry':
        return this.#retry(run, settlement, mayFetch);
      case 'wait':
        return this.#wait(run, settlement, mayFetch);
      case 'postpone':
        return this.#postpone(run, settlement.delayMs);
      case 'release':
        return this.#plain(run, this.params.backend().moveJobFromActiveToWait(run.job.id ?? '', run.token));
      case 'move':
        return this.#move(run, settlement.lane, mayFetch);
      case 'abandon':
        return Promise.resolve(undefined);
    }
  }

  #complete(run: Run, value: unknown, keep: boolean, mayFetch: () => boolean): Promise<Fetched | undefined> {
    const { job, token } = run;
    // A job of another program may have its own option, which is respected.
    const remove = keep ? (job.opts.removeOnComplete ?? false) : true;
    const write = this.params.backend().moveToCompleted(job, value, remove, token, mayFetch());
    return this.#noticed(run, write, true).then(fetchedWith);
  }

  #fail(run: Run, { message, stack, keep }: Failure, mayFetch: () => boolean): Promise<Fetched | undefined> {
    const { job, token } = run;
    const remove = keep ? (job.opts.removeOnFail ?? false) : true;
    const fields = failureFields(message, stack, job.stacktrace);
    const write = this.params.backend().moveToFailed(job, message, remove, token, mayFetch(), fields);
    return this.#noticed(run, write, false).then(fetchedWith);
  }

  #retry(run: Run, retry: Retry, mayFetch: () => boolean): Promise<Fetched | undefined> {
    return retry.change === undefined
      ? this.#again(run, retry, mayFetch)
      : this.#changed(run, retry, retry.change, mayFetch);
  }

  /** Both steps may be repeated: what is changed already stays so. */
  async #changed(
    run: Run,
    retry: Retry,
    change: RetryChange,
    mayFetch: () => boolean,
  ): Promise<Fetched | undefined> {
    if (change.place === undefined) {
      await this.params.change(run, change);
      return this.#again(run, retry, mayFetch);
    }
    await this.params.retryIn(run, change.place, retry);
    return this.#complete(run, null, false, mayFetch);
  }

  #again(
    run: Run,
    { delayMs, message, stack }: Retry,
    mayFetch: () => boolean,
  ): Promise<Fetched | undefined> {
    const { job, token } = run;
    const backend = this.params.backend();
    const id = job.id ?? '';
    const fieldsToUpdate = failureFields(message, stack, job.stacktrace);
    if (delayMs <= 0)
      return this.#plain(run, backend.retryJob(id, job.opts.lifo ?? false, token, { fieldsToUpdate }));
    const fetchNext = this.params.delaysAndFetches && mayFetch();
    const write = backend.moveToDelayed(id, Date.now(), delayMs, token, { fieldsToUpdate, fetchNext });
    return this.#noticed(run, write, false).then((next) => next as never as Fetched | undefined);
  }

  #wait(run: Run, { delayMs, stack }: Wait, mayFetch: () => boolean): Promise<Fetched | undefined> {
    const write = this.params
      .backend()
      .moveToDelayed(run.job.id ?? '', Date.now(), Math.max(1, delayMs), run.token, {
        skipAttempt: true,
        fieldsToUpdate: { stacktrace: JSON.stringify([stack]) },
        fetchNext: this.params.delaysAndFetches && mayFetch(),
      });
    return this.#noticed(run, write, false).then((next) => next as never as Fetched | undefined);
  }

  #postpone(run: Run, delayMs: number): Promise<Fetched | undefined> {
    const backend = this.params.backend();
    const write = backend.moveToDelayed(run.job.id ?? '', Date.now(), Math.max(0, delayMs), run.token, {
      skipAttempt: true,
    });
    return this.#plain(run, write);
  }

  /** Relocates a job. If the copy fails, the job is delayed and comes back; if it never can succeed, the job fails. */
  async #move(run: Run, lane: string, mayFetch: () => boolean): Promise<Fetched | undefined> {
    try {
      await this.params.copyTo(run, lane);
    } catch (error) {
      // The data is nested too deep to encode: a retry would fail too.
      if (error instanceof RangeError) throw error;
      this.#report(error, 'again', run, 1);
      return this.#postpone(run, MOVE_AGAIN_MS);
    }
    return this.#complete(run, null, false, mayFetch);
  }

  /** Writes a failure in place of an outcome that cannot be stored. For a failure, drops its message and stack. */
  #refused(
    run: Run,
    settlement: Settlement,
    error: unknown,
    mayFetch: () => boolean,
  ): Promise<Fetched | undefined> {
    const last = settlement.kind === 'fail' && settlement.message === REFUSED;
    if (last) return Promise.resolve(undefined);
    const why = error instanceof Error ? error.message.slice(0, MOST_WORDS) : String(error);
    const message =
      settlement.kind === 'fail' ? REFUSED : `The broker cannot store how this task ended: ${why}`;
    return this.write(run, { kind: 'fail', message, stack: '', keep: true }, mayFetch);
  }

  async #plain(run: Run, write: Promise<unknown>): Promise<undefined> {
    await this.#noticed(run, write, false);
    return undefined;
  }

  /** Notifies the waiters at the earliest moment at which they will see the write. */
  #noticed<R>(run: Run, write: Promise<R>, completed: boolean): Promise<R> {
    const { noticeFirst, notify } = this.params;
    if (noticeFirst) {
      notify(run, completed);
      return write;
    }
    return write.then((result) => {
      notify(run, completed);
      return result;
    });
  }

  #written(run: Run, settlement: Settlement): void {
    this.params.onWritten?.(run, settlement);
    const bodies = run.takeAfterwards();
    if (bodies === undefined) return;
    const finishing = Promise.all(bodies.map((body) => this.#afterwards(body)));
    this.#finishing.add(finishing);
    void finishing.then(() => this.#finishing.delete(finishing));
  }

  /** Runs one body; a failure is reported and does not affect the others. Never rejects. */
  async #afterwards(body: () => Promise<unknown>): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.params.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Reports an error, once per run. Skips outages, which the engine reports once. */
  #report(error: unknown, answer: WriteAnswer, { delivery }: Run, tries: number): void {
    if (tries > 1 || this.params.isUnavailable(error)) return;
    const next = answer === 'refused' ? 'it ends as a failure' : 'it is written again';
    const what = error instanceof Error ? error.message : String(error);
    this.params.onError(
      new Error(
        `the broker refused to store how ${delivery.name} (${delivery.taskId}) ended; ${next}: ${what}`,
        {
          cause: error,
        },
      ),
    );
  }
}

type Failure = Extract<Settlement, { kind: 'fail' }>;
type Wait = Extract<Settlement, { kind: 'wait' }>;

const REFUSED = 'The broker cannot store how this task ended, nor why.';
const MOST_WORDS = 300;

/** The fields of a failure: its stack, which carries the error, behind those of earlier attempts. */
function failureFields(
  message: string,
  stack: string,
  earlier: readonly string[] | null | undefined,
): Record<string, unknown> {
  const stacks = stack === '' ? [] : [...keptStacks(earlier), stack];
  return { failedReason: message, stacktrace: JSON.stringify(stacks) };
}

function fetchedWith({ result }: { result: unknown }): Fetched | undefined {
  return Array.isArray(result) ? (result as unknown as Fetched) : undefined;
}
