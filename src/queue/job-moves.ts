/**
 * Changes the job of a run before its outcome is written: moves it into its lane, or for a retry that wants so to another
 * queue, or gives it other arguments and options. Each may be repeated after a crash, and then changes nothing.
 */
import type { Engine, JobRef } from '../broker/broker.js';
import { expireRelocation, recordRelocation } from '../coordination/relocations.js';
import { changeMessage } from '../protocol/message.js';
import { jobJson } from './producer.js';
import type { Run } from './run.js';
import type { Retry, RetryChange } from './settlement.js';

/** How often to read a job whose data somebody else changes meanwhile. */
const MOST_LOOKS = 20;
/** How long readers that are under way may need the entry of a place in the middle, ms. */
const UNDER_WAY_MS = 300_000;

export class JobMoves {
  constructor(
    private readonly engine: Engine,
    private readonly queue: string,
  ) {}

  /** Steps 1 and 2 of a relocation into a lane: see `coordination/relocations`. */
  async toLane(run: Run, lane: string): Promise<void> {
    const { job, delivery } = run;
    const { retries: tried, deliveries, woken } = delivery;
    // The fetch for the move begins nothing; a waking is counted as none already.
    const begun = deliveries - 1;
    await this.#copy(run, lane, job.data as object, {
      ...(tried > 0 && { tried }),
      ...(begun > 0 && { begun }),
      ...(woken !== undefined && { ranMs: Math.ceil(woken.ranMs) }),
      // The copy's own starts are counted anew, and a first one reads no steps.
      ...(job.attemptsStarted > 1 && { steps: true }),
    });
  }

  /** The same to where the next attempt is due: the failed one counts. */
  async retryIn(run: Run, place: string, { change, delayMs, stack: failed }: Retry): Promise<void> {
    const { retries, deliveries: begun } = run.delivery;
    const { args, fields = {}, priority } = change ?? {};
    const [stored] = await this.engine.readJobs([this.#ref(run)]);
    // It has ended here already, and the answer to that was lost: the copy may have run, and must not be made again.
    if (stored === undefined) return;
    const data = changeMessage(stored.data, args, fields);
    const counts = { tried: retries + 1, begun, steps: true, failed };
    const due = { delayMs: Math.max(0, delayMs) };
    await this.#copy(run, place, data, counts, { ...due, ...(priority !== undefined && { priority }) });
  }

  /** Changes a job where it is. */
  async change(run: Run, { args, fields, priority }: RetryChange): Promise<void> {
    const { engine } = this;
    const ref = this.#ref(run);
    if (args !== undefined || Object.keys(fields).length > 0)
      for (let looks = 0; looks < MOST_LOOKS; looks++) {
        const [stored] = await engine.readJobs([ref]);
        if (stored === undefined) return;
        if (await engine.amendData(ref, stored.data, changeMessage(stored.data, args, fields))) break;
      }
    if (priority === undefined) return;
    const backend = await engine.backend(this.queue);
    await backend.changePriority(ref.id, priority);
  }

  async #copy(
    run: Run,
    to: string,
    data: object,
    counts: object,
    more: { readonly delayMs: number; readonly priority?: number } = { delayMs: 0 },
  ): Promise<void> {
    const { engine } = this;
    const { job, delivery } = run;
    const from = this.#ref(run);
    const { from: before, origin = before } = delivery.message;
    await recordRelocation(engine, from, to);
    const backend = await engine.backend(to);
    const copy = jobJson({
      jobId: from.id,
      name: job.name,
      data: JSON.stringify({ ...data, from: from.queue, ...(origin !== undefined && { origin }), ...counts }),
      sentAt: job.timestamp,
      priority: job.priority,
      ...(job.opts.telemetry?.metadata !== undefined && { trace: job.opts.telemetry.metadata }),
      ...more,
    });
    await backend.addJob(copy, from.id, {});
    await engine.steps.copy(from, { queue: to, id: from.id });
    // Callers know the task by the queue that it was sent to. Only now: nothing is left there to be found meanwhile.
    const isOrigin = origin === undefined || origin === from.queue;
    if (isOrigin) return;
    await recordRelocation(engine, { queue: origin, id: from.id }, to);
    // Nobody begins to look at a place in the middle any more.
    if (before !== undefined && before !== origin && before !== to)
      await expireRelocation(engine, { queue: before, id: from.id }, UNDER_WAY_MS);
  }

  #ref({ job }: Run): JobRef {
    return { queue: this.queue, id: job.id ?? '' };
  }
}
