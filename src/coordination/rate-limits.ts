/**
 * Rate limits over the whole fleet. Each limited task has one record with its rate and the moment up to which starts are
 * reserved (GCRA: one number, one compare-and-set per start, on the broker's clock). Each start reads the record, so a
 * change takes effect at once. The record also marks the task as one with lanes, even after a deploy that drops the limit.
 */

import type { Engine, StoredRecord } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { paceOf, type Rate, rateText } from '../options/rates.js';
import { afterLoss } from './contention.js';

interface State {
  /** The rate that the code declared last, and the rate in force. They differ after a change at runtime. */
  readonly declared: Rate | null;
  readonly rate: Rate | null;
  /** When the next start is due at an even pace, epoch ms by the broker's clock. */
  readonly next: number;
}

/** The right to start one task now. */
export interface RateToken {
  /** Confirms the start. A late start is charged twice so that no sliding window exceeds the rate. */
  used(): Promise<void> | undefined;
  /** Returns the token of a start that did not happen, so that the next start may use it. */
  unused(): Promise<void> | undefined;
}

/** A token to start with, or the time until another request may succeed, ms. */
export type RateDecision =
  | { readonly granted: true; readonly turn: RateToken }
  | { readonly granted: false; readonly waitMs: number };

const UNLIMITED: RateDecision = { granted: true, turn: { used: () => undefined, unused: () => undefined } };

/** The margin that {@link paceOf} leaves for late starts, ms. */
const NOT_LATE_MS = 28;

/** Reads and changes the rate limits of tasks. */
export class RateLimits {
  /** Last known state per task; used to restore the record if the broker loses its data. */
  readonly #seen = new Map<string, State>();

  constructor(
    private readonly engine: Engine,
    private readonly clock: BrokerClock,
  ) {}

  /** Whether each of these tasks has a record, and so lanes, in order. One round trip. */
  async recorded(tasks: readonly string[]): Promise<boolean[]> {
    const found = await this.engine.records.read(tasks.map(keyOf));
    return found.map((record) => record !== undefined);
  }

  /** The rates in force, as text, in order; undefined for a task without one. One round trip. */
  async inForce(tasks: readonly string[]): Promise<(string | undefined)[]> {
    const found = tasks.length === 0 ? [] : await this.engine.records.read(tasks.map(keyOf));
    return found.map((record) => {
      const rate = record === undefined ? null : (JSON.parse(record.value) as State).rate;
      return rate === null ? undefined : rateText(rate);
    });
  }

  /** Records the rate that a task's code declares. A changed declaration overrides a rate that was set at runtime. */
  async declare(task: string, rate: Rate | undefined): Promise<void> {
    const declared = rate ?? null;
    await this.#change(task, (state) =>
      state !== undefined && sameRate(state.declared, declared) ? undefined : { declared, rate: declared },
    );
  }

  /** Changes the rate in force at once; `null` lifts it. */
  async set(task: string, rate: Rate | null): Promise<void> {
    await this.#change(task, (state) => ({ declared: state?.declared ?? null, rate }));
  }

  /** When the next start will be allowed, epoch ms; `undefined` when the task has no rate. Takes no token. */
  async opensAt(task: string): Promise<number | undefined> {
    const state = (await this.#read(task))?.state;
    if (state === undefined || state.rate === null) return undefined;
    const { intervalMs, burst } = paceOf(state.rate);
    return state.next - (burst - 1) * intervalMs;
  }

  /** Requests a token for one start. */
  async take(task: string): Promise<RateDecision> {
    const { records } = this.engine;
    await this.clock.sync();
    for (let losses = 1; ; losses++) {
      const { record, state } = (await this.#read(task)) ?? NOTHING;
      if (record === undefined || state === undefined || state.rate === null) return UNLIMITED;
      const { intervalMs, burst } = paceOf(state.rate);
      const now = this.clock.now();
      const waitMs = state.next - (burst - 1) * intervalMs - now;
      if (waitMs > 0) return { granted: false, waitMs };
      const next = Math.max(state.next, now) + intervalMs;
      if (await records.replace(keyOf(task), record.version, JSON.stringify({ ...state, next })))
        return { granted: true, turn: this.#turn(task, state.rate, now) };
      await afterLoss(losses);
    }
  }

  #turn(task: string, rate: Rate, grantedAt: number): RateToken {
    const { intervalMs } = paceOf(rate);
    return {
      used: () => {
        const isLate = this.clock.now() - grantedAt > NOT_LATE_MS;
        return isLate ? this.#move(task, (next) => Math.max(next, this.clock.now()) + intervalMs) : undefined;
      },
      unused: () => this.#move(task, (next, inForce) => (sameRate(inForce, rate) ? next - intervalMs : next)),
    };
  }

  /** Moves the moment of the next start, on top of concurrent changes. */
  async #move(task: string, move: (next: number, rate: Rate) => number): Promise<void> {
    for (let losses = 1; ; losses++) {
      const { record, state } = (await this.#read(task)) ?? NOTHING;
      if (record === undefined || state === undefined || state.rate === null) return;
      const next = move(state.next, state.rate);
      if (next === state.next) return;
      const value = JSON.stringify({ ...state, next });
      if (await this.engine.records.replace(keyOf(task), record.version, value)) return;
      await afterLoss(losses);
    }
  }

  async #change(
    task: string,
    change: (state: State | undefined) => Pick<State, 'declared' | 'rate'> | undefined,
  ): Promise<void> {
    const { records } = this.engine;
    await this.clock.sync();
    for (let losses = 1; ; losses++) {
      const { record, state } = (await this.#read(task)) ?? NOTHING;
      const changed = change(state);
      if (changed === undefined) return;
      const value = JSON.stringify({ ...changed, next: this.#nextUnder(changed.rate, state) });
      const done =
        record === undefined
          ? await records.create(keyOf(task), value)
          : await records.replace(keyOf(task), record.version, value);
      if (done) return;
      await afterLoss(losses);
    }
  }

  /** The next start under a new rate: a faster rate does not wait out the pace of the slower one. */
  #nextUnder(rate: Rate | null, state: State | undefined): number {
    if (state === undefined) return 0;
    return rate === null ? state.next : Math.min(state.next, this.clock.now() + paceOf(rate).intervalMs);
  }

  /** Reads the record. If the broker restarted without its data, writes the last known state anew. */
  async #read(task: string): Promise<{ record: StoredRecord; state: State } | undefined> {
    const { records } = this.engine;
    for (;;) {
      const [record] = await records.read([keyOf(task)]);
      if (record !== undefined) {
        const state = JSON.parse(record.value) as State;
        this.#seen.set(task, state);
        return { record, state };
      }
      const last = this.#seen.get(task);
      if (last === undefined) return undefined;
      await records.create(
        keyOf(task),
        JSON.stringify({ ...last, next: Math.max(last.next, this.clock.now()) }),
      );
    }
  }
}

const NOTHING = { record: undefined, state: undefined };

function keyOf(task: string): string {
  return `lane:${task}`;
}

function sameRate(a: Rate | null, b: Rate | null): boolean {
  return a?.count === b?.count && a?.periodMs === b?.periodMs;
}
