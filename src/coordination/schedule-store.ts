/**
 * Stores schedules: one record for each, an index of which exist and which changed, and a lease for each set of
 * declarations. This file must not interpret the content of a schedule's record.
 *
 *   setting a new one, step by step      a crash after it
 *   1 its name is listed                 a name without a record, which readers skip
 *   2 the record is written              workers find it later: in their regular rounds, or when they start
 *   3 the index goes up, workers are     nothing left to do
 *     notified
 *
 *   removing one
 *   1 the record is removed              a name without a record
 *   2 the name is removed, unless the schedule was created anew meanwhile: step 3 above then lists its name
 */
import type { Engine, StoredRecord } from '../broker/broker.js';
import { HEAD_KEY, type Head, headIn, ScheduleIndex } from './schedule-index.js';

/** A schedule's record. */
export interface Row<T> {
  readonly value: T;
  readonly version: number;
}

/** What one cheap read shows. */
export interface Outlook {
  /** Rises with every change except ticks; 0 when nothing was ever scheduled. */
  readonly revision: number;
  readonly head: Head;
  /** When the lease of each requested set ends, epoch ms; sets without a lease are absent. */
  readonly aliveUntil: ReadonlyMap<string, number>;
}

/** The record in which earlier versions listed all names. Names found there are moved to the index. */
const OLD_LIST = 'schedules';
/** Most records read in one step. */
const READ_TOGETHER = 1000;
const TOPIC = 'schedules';

/** Reads and writes schedules, and notifies workers of changes. */
export class ScheduleStore<T> {
  readonly index: ScheduleIndex;

  constructor(private readonly engine: Engine) {
    this.index = new ScheduleIndex(engine.records);
  }

  /** Reads the head of the index and the leases of `sets`, in one round trip. */
  async look(sets: readonly string[]): Promise<Outlook> {
    const [head, old, ...leases] = await this.engine.records.read([
      HEAD_KEY,
      OLD_LIST,
      ...sets.map(leaseKey),
    ]);
    if (old !== undefined) {
      await this.#takeOver(old);
      return this.look(sets);
    }
    const alive = sets.flatMap((set, i) => {
      const lease = leases[i];
      return lease === undefined ? [] : [[set, Number(lease.value)] as const];
    });
    return { revision: head?.version ?? 0, head: headIn(head), aliveUntil: new Map(alive) };
  }

  /** All schedules by name. */
  async readAll(): Promise<Map<string, Row<T>>> {
    const { head } = await this.look([]);
    const buckets = await this.index.read([...head.keys()]);
    return this.read([...buckets.values()].flatMap(({ changed }) => [...changed.keys()]));
  }

  /** The existing schedules among these names. */
  async read(names: readonly string[]): Promise<Map<string, Row<T>>> {
    const rows = new Map<string, Row<T>>();
    for (let from = 0; from < names.length; from += READ_TOGETHER) {
      const some = names.slice(from, from + READ_TOGETHER);
      const records = await this.engine.records.read(some.map(rowKey));
      for (const [i, name] of some.entries()) {
        const record = records[i];
        if (record !== undefined) rows.set(name, rowOf<T>(record));
      }
    }
    return rows;
  }

  /** Replaces a record if its version is still `version`. Notifies no worker: only the schedule's next step changed. */
  replace(name: string, version: number, value: T): Promise<boolean> {
    return this.engine.records.replace(rowKey(name), version, JSON.stringify(value));
  }

  /**
   * Changes or creates a record and notifies all workers. If `change` gives `undefined`, the record stays as it is.
   * @returns the stored value afterwards
   */
  async update(name: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
    for (;;) {
      const row = (await this.read([name])).get(name);
      const value = change(row?.value);
      if (value === undefined) return row?.value;
      if (row === undefined) await this.index.list(name);
      const written =
        row === undefined
          ? await this.engine.records.create(rowKey(name), JSON.stringify(value))
          : await this.replace(name, row.version, value);
      if (!written) continue;
      await this.index.notify([name]);
      this.notify();
      return value;
    }
  }

  /** Removes a schedule and notifies all workers. `false` when there was none. */
  async remove(name: string): Promise<boolean> {
    const removed = await this.engine.records.remove(rowKey(name));
    await this.index.drop(name, async () => (await this.read([name])).has(name));
    if (removed) this.notify();
    return removed;
  }

  /** Extends the lease of a set of declarations to `until`, epoch ms. The record expires after `forMs`. */
  async keepAlive(set: string, until: number, forMs: number): Promise<void> {
    const { records } = this.engine;
    const [lease] = await records.read([leaseKey(set)]);
    // A lost compare-and-set is fine: another worker of the set extended the lease.
    if (lease === undefined) await records.create(leaseKey(set), String(until), forMs);
    else await records.replace(leaseKey(set), lease.version, String(until), forMs);
  }

  /** Notifies all workers that schedules changed. */
  notify(): void {
    this.engine.signals.notify(TOPIC);
  }

  /** Calls `listener` when schedules changed. A lost notice shows in the revision. @returns a function that stops it */
  listen(listener: () => void): () => void {
    // The broker is unreachable: workers also look on their own.
    this.engine.signals.subscribe(TOPIC, listener).catch(() => undefined);
    return () => this.engine.signals.unsubscribe(TOPIC, listener);
  }

  /** Moves the names of the old list to the index. Safe to run in several processes at once. */
  async #takeOver(old: StoredRecord): Promise<void> {
    const rows = await this.read(JSON.parse(old.value) as string[]);
    await this.index.notify([...rows.keys()]);
    await this.engine.records.remove(OLD_LIST, old.version);
  }
}

/**
 * Whether this addition of a tick's job may run. Only the first may: a process that stalled for longer than the record of
 * the first job was kept could add the same job again.
 */
export async function mayRunTick(engine: Engine, jobId: string, addition: string): Promise<boolean> {
  const key = `tick:${jobId}`;
  if (await engine.records.create(key, addition, TICK_KEPT_MS)) return true;
  const [first] = await engine.records.read([key]);
  return first === undefined || first.value === addition;
}

/** Longer than any plausible pause of a process. */
const TICK_KEPT_MS = 3_600_000;

function rowOf<T>({ value, version }: StoredRecord): Row<T> {
  return { value: JSON.parse(value) as T, version };
}

function rowKey(name: string): string {
  return `schedule:${name}`;
}

function leaseKey(set: string): string {
  return `schedules-of:${set}`;
}
