/**
 * Where schedules lie: a record each, one that lists their names, and one for each set of declarations that says until
 * when it is alive. The list's version goes up with every change worth hearing of, so that a process which knows it
 * needs no other look. What is in a record is none of this file's business.
 *
 *   setting a new one, step by step      a crash after it
 *   1 its name is listed                 a name without a record, which readers skip
 *   2 the record is written              workers hear of it later: when the list changes, or when they start
 *   3 the list goes up, all are told     nothing left to do
 *
 *   removing one
 *   1 the record is removed              a name without a record
 *   2 the name goes, unless a record has come back meanwhile: 3 above would then have changed the list
 */
import type { Engine, StoredRecord } from './engine.js';

/** A schedule's record. */
export interface Row<T> {
  readonly value: T;
  readonly version: number;
}

/** What one cheap look tells. */
export interface Outlook {
  /** The list's version; 0 when nothing was ever scheduled. */
  readonly revision: number;
  /** Until when each of the sets asked for is alive, epoch ms; absent for those that are not. */
  readonly aliveUntil: ReadonlyMap<string, number>;
}

const LIST = 'schedules';
const TOPIC = 'schedules';

export class ScheduleStore<T> {
  constructor(private readonly engine: Engine) {}

  /** One read, whatever there is. */
  async look(sets: readonly string[]): Promise<Outlook> {
    const [list, ...leases] = await this.engine.records.read([LIST, ...sets.map(leaseKey)]);
    const alive = sets.flatMap((set, i) => {
      const lease = leases[i];
      return lease === undefined ? [] : [[set, Number(lease.value)] as const];
    });
    return { revision: list?.version ?? 0, aliveUntil: new Map(alive) };
  }

  /** All of them by name, and the list's version, which is no newer than they are. */
  async readAll(): Promise<{ readonly revision: number; readonly rows: Map<string, Row<T>> }> {
    const list = await this.#list();
    return { revision: list?.version ?? 0, rows: await this.read(namesIn(list)) };
  }

  /** Those of these names that there are. */
  async read(names: readonly string[]): Promise<Map<string, Row<T>>> {
    const records = await this.engine.records.read(names.map(rowKey));
    return new Map(
      names.flatMap((name, i) => {
        const record = records[i];
        return record === undefined ? [] : [[name, rowOf<T>(record)] as const];
      }),
    );
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
      if (row === undefined)
        await this.#rewriteList((names) => (names.includes(name) ? undefined : [...names, name]));
      const written =
        row === undefined
          ? await this.engine.records.create(rowKey(name), JSON.stringify(value))
          : await this.replace(name, row.version, value);
      if (!written) continue;
      await this.#announce(name);
      return value;
    }
  }

  /** `false` when there was none. */
  async remove(name: string): Promise<boolean> {
    const removed = await this.engine.records.remove(rowKey(name));
    await this.#rewriteList(async (names) => {
      const back = (await this.read([name])).has(name);
      return back || !names.includes(name) ? undefined : names.filter((other) => other !== name);
    });
    if (removed) this.engine.signals.notify(TOPIC);
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

  /** Calls `listener` when schedules were changed; a notice that is lost shows in the list's version. */
  listen(listener: () => void): () => void {
    // Out of reach: the list is looked at by itself too.
    this.engine.signals.subscribe(TOPIC, listener).catch(() => undefined);
    return () => this.engine.signals.unsubscribe(TOPIC, listener);
  }

  async #announce(name: string): Promise<void> {
    await this.#rewriteList((names) => (names.includes(name) ? names : [...names, name]));
    this.engine.signals.notify(TOPIC);
  }

  /** Writes the list anew, the same names included; `undefined` leaves it. */
  async #rewriteList(
    change: (
      names: readonly string[],
    ) => readonly string[] | undefined | Promise<readonly string[] | undefined>,
  ): Promise<void> {
    const { records } = this.engine;
    for (;;) {
      const list = await this.#list();
      const names = await change(namesIn(list));
      if (names === undefined) return;
      const value = JSON.stringify(names);
      const written =
        list === undefined
          ? await records.create(LIST, value)
          : await records.replace(LIST, list.version, value);
      if (written) return;
    }
  }

  async #list(): Promise<StoredRecord | undefined> {
    const [list] = await this.engine.records.read([LIST]);
    return list;
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

/** No process is held up for so long and then goes on. */
const TICK_KEPT_MS = 3_600_000;

function rowOf<T>({ value, version }: StoredRecord): Row<T> {
  return { value: JSON.parse(value) as T, version };
}

function namesIn(list: StoredRecord | undefined): readonly string[] {
  return list === undefined ? [] : (JSON.parse(list.value) as string[]);
}

function rowKey(name: string): string {
  return `schedule:${name}`;
}

function leaseKey(set: string): string {
  return `schedules-of:${set}`;
}
