/**
 * Where schedules lie: a record each, an index that says which there are and which changed, and a record for each set of
 * declarations that says until when it is alive. What is in a record is none of this file's business.
 *
 *   setting a new one, step by step      a crash after it
 *   1 its name is listed                 a name without a record, which readers skip
 *   2 the record is written              workers hear of it later: when they come round to it, or when they start
 *   3 the index goes up, all are told    nothing left to do
 *
 *   removing one
 *   1 the record is removed              a name without a record
 *   2 the name goes, unless a record has come back meanwhile: 3 above would then have told of it
 */
import type { Engine, StoredRecord } from '../broker/broker.js';
import { HEAD_KEY, type Head, headIn, ScheduleIndex } from './schedule-index.js';

/** A schedule's record. */
export interface Row<T> {
  readonly value: T;
  readonly version: number;
}

/** What one cheap look tells. */
export interface Outlook {
  /** Goes up with every change but ticks; 0 when nothing was ever scheduled. */
  readonly revision: number;
  readonly head: Head;
  /** Until when each of the sets asked for is alive, epoch ms; absent for those that are not. */
  readonly aliveUntil: ReadonlyMap<string, number>;
}

/** Where all names were listed once. What is found there is taken over. */
const OLD_LIST = 'schedules';
/** So many records are read in one step. */
const READ_TOGETHER = 1000;
const TOPIC = 'schedules';

export class ScheduleStore<T> {
  readonly index: ScheduleIndex;

  constructor(private readonly engine: Engine) {
    this.index = new ScheduleIndex(engine.records);
  }

  /** One read, whatever there is. */
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

  /** All of them by name. */
  async readAll(): Promise<Map<string, Row<T>>> {
    const { head } = await this.look([]);
    const buckets = await this.index.read([...head.keys()]);
    return this.read([...buckets.values()].flatMap(({ told }) => [...told.keys()]));
  }

  /** Those of these names that there are. */
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

  /** Replaces a record that is still the one known. Quiet: only its own next step changed. */
  replace(name: string, version: number, value: T): Promise<boolean> {
    return this.engine.records.replace(rowKey(name), version, JSON.stringify(value));
  }

  /**
   * Changes a record, or makes it, and tells everybody. What `change` gives `undefined` for stays as it is.
   * @returns what is there now
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
      await this.index.tell([name]);
      this.tell();
      return value;
    }
  }

  /** `false` when there was none. */
  async remove(name: string): Promise<boolean> {
    const removed = await this.engine.records.remove(rowKey(name));
    await this.index.drop(name, async () => (await this.read([name])).has(name));
    if (removed) this.tell();
    return removed;
  }

  /** A set of declarations is alive until then, unless its workers say otherwise before. */
  async keepAlive(set: string, until: number, forMs: number): Promise<void> {
    const { records } = this.engine;
    const [lease] = await records.read([leaseKey(set)]);
    // Lost to another worker of the set: that one's word is as good.
    if (lease === undefined) await records.create(leaseKey(set), String(until), forMs);
    else await records.replace(leaseKey(set), lease.version, String(until), forMs);
  }

  /** Lets the others look now. */
  tell(): void {
    this.engine.signals.notify(TOPIC);
  }

  /** Calls `listener` when schedules were changed; a notice that is lost shows in the revision. */
  listen(listener: () => void): () => void {
    // Out of reach: workers look by themselves too.
    this.engine.signals.subscribe(TOPIC, listener).catch(() => undefined);
    return () => this.engine.signals.unsubscribe(TOPIC, listener);
  }

  /** Whoever else does so meanwhile does the same. */
  async #takeOver(old: StoredRecord): Promise<void> {
    const rows = await this.read(JSON.parse(old.value) as string[]);
    await this.index.tell([...rows.keys()]);
    await this.engine.records.remove(OLD_LIST, old.version);
  }
}

/**
 * Whether this is the addition of a tick that may run: a second one of the same job, sent by a process that was held
 * up for longer than the first one's record was kept, may not.
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
