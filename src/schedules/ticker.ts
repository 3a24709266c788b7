/**
 * Ticks: makes exactly one task from a due entry, whatever dies in between.
 *
 *   a tick, step by step                               a crash after it
 *   1 claimed: the entry names the task, and when next     another worker sends it, by the same id
 *   2 the task is added                                sent again, which adds nothing
 *   3 the claim is dropped                             nothing left to do
 *
 * Only one worker can claim a tick, since the claim is one compare-and-set on the entry. If the task is added again
 * after its record has gone, it does not run: see `mayRunTick`.
 */
import type { Row, ScheduleStore } from '../coordination/schedule-store.js';
import { isCeleriacError } from '../errors.js';
import {
  dueTick,
  NEVER,
  type PendingTick,
  type Spec,
  type StoredEntry,
  withNext,
  withTick,
} from './entry.js';
import { type ScheduledCalls, type ScheduleHost, tickId } from './scheduled-calls.js';

/** A claim this old was left by a dead worker, ms. */
const TAKEOVER_MS = 1_000;

/** An entry after its ticks, and whether another worker ticked first. */
export interface Ticked {
  /** `undefined` if the entry is gone. */
  readonly row: Row<StoredEntry> | undefined;
  readonly overtaken: boolean;
}

export class Ticker {
  /** This worker's own claims, by task id: it need not wait for them to grow old. */
  readonly #claims = new Set<string>();

  constructor(
    private readonly host: ScheduleHost,
    private readonly store: ScheduleStore<StoredEntry>,
    private readonly calls: ScheduledCalls,
  ) {}

  /** When an entry needs work next, epoch ms; `undefined`: never. */
  dueAt({ pending, nextAt }: StoredEntry): number | undefined {
    if (pending === undefined) return nextAt ?? undefined;
    return this.#claims.has(pending.taskId) ? pending.claimedAt : pending.claimedAt + TAKEOVER_MS;
  }

  /**
   * Sends everything due for an entry.
   * @param claimsFrom ticks due before this were missed, unless they are the last; `undefined`: claim none. A tick
   *   already claimed is sent in any case
   * @throws when the broker is unavailable: the claim stands, and is sent later
   */
  async tick(
    name: string,
    known: Row<StoredEntry> | undefined,
    claimsFrom: number | undefined,
  ): Promise<Ticked> {
    let row = known;
    let overtaken = row === undefined || !this.#isDue(row.value);
    while (row !== undefined && this.#isDue(row.value) && this.calls.canTick(name, row.value.spec)) {
      const { value, version } = row;
      const next: StoredEntry | undefined = value.pending
        ? await this.#send(name, value, value.pending)
        : claimsFrom === undefined
          ? undefined
          : this.#claim(name, value, claimsFrom);
      if (next === undefined) break;
      const done = await this.store.replace(name, version, next);
      if (done && next.pending !== undefined) this.#claims.add(next.pending.taskId);
      if (!done && value.pending === undefined) overtaken = true;
      row = done ? { value: next, version: version + 1 } : (await this.store.read([name])).get(name);
    }
    return { row, overtaken };
  }

  #isDue(entry: StoredEntry): boolean {
    const at = this.dueAt(entry);
    return at !== undefined && at <= this.host.clock.now();
  }

  /** Step 1. A call that cannot be made is logged, and its tick is over. */
  #claim(name: string, entry: StoredEntry, claimsFrom: number): StoredEntry | undefined {
    const now = this.host.clock.now();
    const due = this.#due(name, entry, claimsFrom);
    if (due === undefined) return undefined;
    const { at, ...next } = due;
    const later = withNext(entry, next);
    if (at === undefined) return later;
    const claimed = { ...later, lastAt: at };
    try {
      const taskId = tickId(name, at, this.calls.place(entry.spec));
      const history = withTick(entry.history, { at, taskId, late: Math.max(0, Math.round(now - at)) });
      return { ...claimed, history, pending: { at, taskId, claimedAt: now } };
    } catch (error) {
      this.#log(name, entry.spec, error);
      return claimed;
    }
  }

  /** What is due. A kind of its own whose code fails has no more ticks until it is declared anew. */
  #due(name: string, entry: StoredEntry, claimsFrom: number): ReturnType<typeof dueTick> {
    const { spec } = entry;
    try {
      return dueTick(entry, this.host.clock.now(), claimsFrom, this.calls.ownNext(name, spec));
    } catch (error) {
      this.#log(name, spec, error);
      return NEVER;
    }
  }

  /** Step 2; returns what step 3 writes. */
  async #send(name: string, entry: StoredEntry, pending: PendingTick): Promise<StoredEntry> {
    try {
      await this.calls.tick(name, entry.spec, pending);
    } catch (error) {
      if (isCeleriacError(error, 'BROKER_UNAVAILABLE') || this.host.engine.isUnavailable(error)) throw error;
      this.#log(name, entry.spec, error);
    }
    this.#claims.delete(pending.taskId);
    const { pending: _, ...rest } = entry;
    return rest;
  }

  #log(name: string, { task }: Spec, error: unknown): void {
    const fields = { schedule: name, task };
    if (isCeleriacError(error, 'DUPLICATE_TASK'))
      this.host
        .logger()
        .info(fields, `schedule ${name}: ${task} was not sent, since one is there and it is unique`);
    else this.host.logger().error({ ...fields, error }, `schedule ${name}: ${task} could not be sent`);
  }
}
