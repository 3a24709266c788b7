/**
 * One batch that has begun: its members come through their own checks, hooks and middleware to their seats, and once all
 * have come, or ended on their way, the code runs for those that have. It must never hold a member back that ended
 * otherwise: by its own time limit, a revocation, a lost lock.
 */
import type { Delivery } from '../../queue/delivery.js';
import { itemOf } from '../../tasks/batch-item.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import type { CallHost } from '../run/call-host.js';
import type { RunningCall } from '../run/running-call.js';
import { runBody } from './body.js';
import { BatchContext } from './context.js';
import type { Seat, Share, Together } from './seat.js';

/** The slot of a member, which it may lend: see `Delivery`. */
export type SlotHolder = Pick<Delivery, 'lendSlot' | 'takeSlot'>;

export interface BatchParams {
  readonly task: RegisteredTask;
  readonly host: CallHost;
  /** Runs the members together, where their code runs elsewhere. */
  together?: ((calls: readonly RunningCall[]) => Together) | undefined;
}

/** A batch whose members are known. One of them has the batch's slot. */
export class Batch {
  readonly seats: readonly Seat<RunningCall>[];
  readonly #seats: readonly BatchSeat[];
  /** Where its slot is, while the code runs. */
  #keeper: BatchSeat | undefined;
  #context: BatchContext | undefined;
  #elsewhere: Together | undefined;
  #begun = false;
  #over = false;

  /**
   * @param holders the slots of its members, as many as there are
   * @param keeper the position of the one that has its slot
   */
  constructor(
    private readonly params: BatchParams,
    holders: readonly SlotHolder[],
    keeper: number,
  ) {
    this.#seats = holders.map((holder) => new BatchSeat(holder, this));
    this.seats = this.#seats;
    this.#keeper = this.#seats[keeper];
  }

  /** Whether the member at this position has the batch's slot. */
  hasSlot(position: number): boolean {
    return this.#keeper !== undefined && this.#seats[position] === this.#keeper;
  }

  /** Something about a seat has changed. */
  changed(seat: BatchSeat): Promise<void> | undefined {
    if (this.#over) return undefined;
    if (seat.isGone && seat === this.#keeper) this.#passSlot(seat);
    if (this.#begun) return this.#stopIfDeserted(seat);
    if (this.#seats.every(({ isWaiting, isGone }) => isWaiting || isGone)) void this.#run();
    return undefined;
  }

  /** The slot goes to another member, since the code still runs. */
  #passSlot(from: BatchSeat): void {
    this.#keeper = this.#seats.find(({ isGone }) => !isGone);
    this.#keeper?.holder.takeSlot?.();
    if (this.#keeper !== undefined) from.holder.lendSlot?.();
  }

  async #run(): Promise<void> {
    this.#begun = true;
    const present = this.#seats.filter(({ isGone }) => !isGone);
    const calls = present.flatMap(({ call }) => call ?? []);
    if (calls.length === 0) return;
    const shares = await this.#sharesOf(calls, present);
    this.#over = true;
    for (const [i, seat] of present.entries()) seat.settle(shares[i]);
  }

  #sharesOf(calls: readonly RunningCall[], present: readonly BatchSeat[]): Promise<readonly Share[]> {
    const { task, host, together } = this.params;
    this.#elsewhere = together?.(calls);
    if (this.#elsewhere !== undefined) return this.#elsewhere.shares;
    const items = present.map(({ item }) => item);
    this.#context = new BatchContext(task.name, calls, items, host);
    for (const seat of present) this.#stopIfDeserted(seat);
    return runBody(task, this.#context, items);
  }

  /** Aborts the batch's signal once every member was aborted or has ended. */
  #stopIfDeserted(last: BatchSeat): Promise<void> | undefined {
    if (this.#elsewhere !== undefined)
      return this.#seats.every(({ isGone }) => isGone) ? this.#elsewhere.abandon() : undefined;
    if (!this.#seats.every(({ isGone, reason }) => isGone || reason !== undefined)) return undefined;
    const { reason } = last.reason === undefined ? (this.#seats.find((seat) => seat.reason) ?? last) : last;
    if (reason !== undefined) this.#context?.abort(reason.given);
    return undefined;
  }
}

class BatchSeat implements Seat<RunningCall> {
  call: RunningCall | undefined;
  item: unknown;
  isGone = false;
  reason: { readonly given: unknown } | undefined;
  #settle: ((share: Share) => void) | undefined;

  constructor(
    readonly holder: SlotHolder,
    private readonly batch: Batch,
  ) {}

  get isWaiting(): boolean {
    return this.call !== undefined;
  }

  take(call: RunningCall, args: readonly unknown[]): Promise<unknown> {
    this.item = itemOf(call.delivery.name, args);
    this.call = call;
    return new Promise((resolve, reject) => {
      this.#settle = (share) => ('error' in share ? reject(share.error) : resolve(share.value));
      void this.batch.changed(this);
    });
  }

  settle(share: Share | undefined): void {
    if (share !== undefined) this.#settle?.(share);
  }

  aborted(reason: unknown): void {
    this.reason ??= { given: reason };
    void this.batch.changed(this);
  }

  leave(): Promise<void> | undefined {
    if (this.isGone) return undefined;
    this.isGone = true;
    return this.batch.changed(this);
  }
}

const NO_SLOT: SlotHolder = {};

/** Runs the code for one call alone: in its caller's process, and where no other call may be near. */
export function runAlone(
  task: RegisteredTask,
  call: RunningCall,
  host: CallHost,
  args: readonly unknown[],
): Promise<unknown> {
  const [seat] = new Batch({ task, host }, [NO_SLOT], 0).seats;
  call.seat = seat;
  return seat === undefined ? Promise.resolve(undefined) : seat.take(call, args);
}

/**
 * Runs the code for one call that brings many entries (`map`), `size` at a time.
 * @returns their values
 * @throws the first error of any of them
 */
export async function runEach(
  task: RegisteredTask,
  call: RunningCall,
  host: CallHost,
  lists: readonly (readonly unknown[])[],
): Promise<unknown[]> {
  const size = task.run.batch?.size ?? 1;
  const values: unknown[] = [];
  for (let from = 0; from < lists.length && !call.closed; from += size) {
    const items = lists.slice(from, from + size).map((args) => itemOf(task.name, args));
    const context = new BatchContext(task.name, [call], items, host);
    call.seat = {
      take: async () => undefined,
      aborted: (reason) => context.abort(reason),
      leave: () => undefined,
    };
    if (call.aborted !== undefined) context.abort(call.aborted.reason);
    for (const share of await runBody(task, context, items)) {
      if ('error' in share) throw share.error;
      values.push(share.value);
    }
  }
  return values;
}
