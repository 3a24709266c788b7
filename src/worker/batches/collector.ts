/**
 * Collects the calls of batch tasks in a worker. A call that was fetched and may run waits here, under its lock, until its
 * batch is full or its time is over.
 *
 * A waiting call has no slot: it lends its own, so that the same slot fetches the next one. The call that fills its batch
 * keeps its slot, which is the batch's; for a batch whose time is over one of its calls takes a slot again, which may have
 * to wait for one. The calls of a batch that end may fetch the next without slots, as many as the one that collects
 * lacks. So a worker holds no more calls of a task in a queue than one batch, beside those that run.
 */
import type { BrokerClock } from '../../broker/clock.js';
import type { Delivery } from '../../queue/delivery.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import { after, type Cancel } from '../../timers.js';
import { refusal } from '../run/admission.js';
import type { CallHost } from '../run/call-host.js';
import type { Admission, Elsewhere, Gathering } from '../run/executor-params.js';
import type { Outcome } from '../run/outcome.js';
import type { RunningCall } from '../run/running-call.js';
import { mustRunAlone } from '../run/suspects.js';
import { BatchAppetite } from './appetite.js';
import { Batch } from './batch.js';

interface Waiting {
  readonly delivery: Delivery;
  admit(admission: Admission): void;
}

/** The calls of one task from one queue that wait for each other. */
interface Collection {
  readonly key: string;
  readonly task: RegisteredTask;
  readonly waiting: Waiting[];
  readonly cancelTimer: Cancel;
  /** The one whose slot is kept for the batch, since it will be full at once. */
  keeper: Waiting | undefined;
  /** It is to begin, and takes a slot. */
  isDue: boolean;
  /** What became of it. */
  batch: Batch | undefined;
}

const HAND_BACK: Admission = { outcome: { kind: 'handBack' } };

export class BatchCollector implements Gathering {
  /** Those that take more calls. */
  readonly #open = new Map<string, Collection>();
  /** Those that have not begun. */
  readonly #collections = new Set<Collection>();
  readonly #appetites = new Map<string, BatchAppetite>();
  #closed = false;

  constructor(
    private readonly host: CallHost,
    private readonly clock: Pick<BrokerClock, 'now' | 'stopped'>,
    private readonly onError: (error: Error) => void,
    private readonly elsewhere?: Pick<Elsewhere, 'takes' | 'together'>,
  ) {}

  /** Whether the call waits for others. One that brings many entries itself is a batch already. */
  takes(delivery: Delivery, task: RegisteredTask): boolean {
    return task.run.batch !== undefined && delivery.message.each !== true && !mustRunAlone(delivery, task);
  }

  /** How many calls wait. */
  get size(): number {
    return [...this.#collections].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /**
   * Whether a job must go back to its queue: it was fetched without a slot for a batch that collects, and is none of its
   * calls.
   */
  refuses(delivery: Delivery, tasks: { get(name: string): RegisteredTask | undefined }): boolean {
    if (delivery.hasSlot?.() !== false) return false;
    const task = tasks.get(delivery.name);
    if (task !== undefined && this.takes(delivery, task)) return false;
    for (const [key, appetite] of this.#appetites)
      if (key.startsWith(`first ${delivery.ref.queue} `)) appetite.spoil();
    return true;
  }

  /** Waits with others of its task and queue. */
  join(delivery: Delivery, task: RegisteredTask): Promise<Admission> {
    if (this.#closed) return Promise.resolve(HAND_BACK);
    const collection = this.#collectionOf(delivery, task);
    return new Promise((admit) => {
      const one = { delivery, admit };
      collection.waiting.push(one);
      const full = collection.waiting.length >= sizeOf(task, delivery.stalls > 0);
      if (full) this.#open.delete(collection.key);
      const hasSlot = delivery.hasSlot?.() !== false;
      const fetching = this.#appetites.get(collection.key)?.underWay ?? 0;
      const keeps = full || (fetching > 0 && !collection.isDue);
      if (hasSlot && keeps && collection.keeper === undefined) collection.keeper = one;
      else delivery.lendSlot?.();
      if (full && collection.keeper !== undefined) this.#begin(collection, collection.keeper);
      else if (full) this.#due(collection);
    });
  }

  /**
   * Ends calls that wait, instead of running them.
   * @returns how many there were
   */
  withdraw(which: (delivery: Delivery) => boolean, outcome: Outcome): number {
    let count = 0;
    for (const collection of this.#collections) {
      const leaving = collection.waiting.filter(({ delivery }) => which(delivery));
      if (leaving.length === 0) continue;
      count += leaving.length;
      const staying = collection.waiting.filter((one) => !leaving.includes(one));
      collection.waiting.splice(0, Number.POSITIVE_INFINITY, ...staying);
      if (collection.keeper !== undefined && leaving.includes(collection.keeper))
        collection.keeper = undefined;
      if (staying.length === 0) this.#drop(collection);
      for (const { admit } of leaving) admit({ outcome });
    }
    return count;
  }

  /** Begins with what there is, as if the time were over. */
  flush(): void {
    for (const collection of this.#collections) this.#due(collection);
  }

  /** Hands all calls back that wait, and those that still come. May be called twice. */
  close(): void {
    this.#closed = true;
    this.withdraw(() => true, { kind: 'handBack' });
  }

  #collectionOf(delivery: Delivery, task: RegisteredTask): Collection {
    // The slot of a batch is one of its calls', so all are of one queue, whose slots may be its own.
    const key = `${delivery.stalls > 0 ? 'again' : 'first'} ${delivery.ref.queue} ${task.name}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const waitMs = task.run.batch?.waitMs ?? 0;
    const collection: Collection = {
      key,
      task,
      waiting: [],
      cancelTimer: after(waitMs, () => this.#due(collection)),
      keeper: undefined,
      isDue: false,
      batch: undefined,
    };
    this.#open.set(key, collection);
    this.#collections.add(collection);
    return collection;
  }

  /** What the calls of a batch that began may fetch as they end, for the next one. */
  #appetiteOf(key: string, task: RegisteredTask): BatchAppetite {
    const known = this.#appetites.get(key);
    if (known !== undefined) return known;
    const lacks = () => (this.#closed ? 0 : sizeOf(task, false) - (this.#open.get(key)?.waiting.length ?? 0));
    const appetite = new BatchAppetite(lacks, () => this.#lendKept(key));
    this.#appetites.set(key, appetite);
    return appetite;
  }

  /** The fetches did not fill the batch: the slot that was kept for it goes to others meanwhile. */
  #lendKept(key: string): void {
    const collection = this.#open.get(key);
    if (collection?.keeper === undefined || collection.isDue) return;
    collection.keeper.delivery.lendSlot?.();
    collection.keeper = undefined;
  }

  #due(collection: Collection): void {
    if (collection.isDue) return;
    collection.isDue = true;
    this.#beginOnSlot(collection).catch((error: Error) => this.onError(error));
  }

  /** Takes a slot for a batch that is not full; meanwhile more calls may come, and fill it. */
  async #beginOnSlot(collection: Collection): Promise<void> {
    const { waiting } = collection;
    while (waiting.length > 0 && collection.batch === undefined) {
      const one = collection.keeper ?? waiting[0];
      await one?.delivery.regainSlot?.();
      // Withdrawn meanwhile, it ends, and its slot with it.
      if (one === undefined || !waiting.includes(one)) continue;
      const begun = batchOf(collection);
      if (begun === undefined) this.#begin(collection, one);
      else if (!begun.hasSlot(waiting.indexOf(one))) one.delivery.lendSlot?.();
    }
  }

  #begin(collection: Collection, keeper: Waiting): void {
    this.#drop(collection);
    const { task, waiting } = collection;
    const { host, elsewhere } = this;
    const together = elsewhere?.takes(task)
      ? (calls: readonly RunningCall[]) => elsewhere.together(calls)
      : undefined;
    const batch = new Batch(
      { task, host, together },
      waiting.map(({ delivery }) => delivery),
      waiting.indexOf(keeper),
    );
    collection.batch = batch;
    this.#letBringNext(collection);
    for (const [i, { delivery, admit }] of waiting.entries()) {
      const seat = batch.seats[i];
      // It may have expired meanwhile.
      const refused = refusal(delivery, task, this.clock);
      if (refused !== undefined) seat?.leave();
      if (refused !== undefined) admit({ outcome: refused });
      else if (seat !== undefined) admit({ seat });
    }
  }

  #letBringNext({ key, task, waiting }: Collection): void {
    if (!key.startsWith('first ')) return;
    const appetite = this.#appetiteOf(key, task);
    appetite.grow();
    for (const { delivery } of waiting) delivery.bringNext?.(appetite);
  }

  #drop(collection: Collection): void {
    collection.cancelTimer();
    this.#collections.delete(collection);
    if (this.#open.get(collection.key) === collection) this.#open.delete(collection.key);
  }
}

/** A function, since the compiler does not see that it changes during an await. */
function batchOf({ batch }: Collection): Batch | undefined {
  return batch;
}

/**
 * How many calls fill a batch: no more can come than run at once, fleet-wide. Calls under which a worker has died come in
 * few, so that another death leaves few of them suspect.
 */
function sizeOf({ run }: RegisteredTask, again: boolean): number {
  const { batch, concurrency } = run;
  const most = batch?.size ?? 1;
  const size = again ? Math.ceil(Math.sqrt(most)) : most;
  return concurrency === undefined || concurrency.key !== undefined
    ? size
    : Math.min(size, concurrency.limit);
}
