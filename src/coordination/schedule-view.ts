/**
 * A worker's copy of the schedules. It reads the buckets that changed according to the index. A program may have died
 * between a change and its entry in the index, so `readSome` reads one more bucket per call, each in turn.
 */
import type { Bucket, Head } from './schedule-index.js';
import type { Row, ScheduleStore } from './schedule-store.js';

/** A worker's copy of the schedules, by name. */
export class ScheduleView<T> {
  readonly rows = new Map<string, Row<T>>();
  readonly #buckets = new Map<string, Bucket>();
  /** The bucket that {@link readSome} read last. */
  #round = '';

  constructor(private readonly store: ScheduleStore<T>) {}

  /** Forgets everything. */
  clear(): void {
    this.rows.clear();
    this.#buckets.clear();
  }

  /** Reads the buckets that changed since they were last read. One call at a time. */
  async catchUp(head: Head): Promise<void> {
    const changed = [...head].filter(([bucket, version]) => this.#versionOf(bucket) < version);
    if (changed.length > 0)
      await this.#read(
        changed.map(([bucket]) => bucket),
        false,
      );
  }

  /** Reads the next bucket in full, in turn. One call at a time. */
  async readSome(): Promise<void> {
    const buckets = [...this.#buckets]
      .filter(([, { changed }]) => changed.size > 0)
      .map(([bucket]) => bucket)
      .sort();
    const next = buckets.find((bucket) => bucket > this.#round) ?? buckets[0];
    if (next === undefined) return;
    this.#round = next;
    await this.#read([next], true);
  }

  async #read(buckets: readonly string[], all: boolean): Promise<void> {
    const found = await this.store.index.read(buckets);
    const gone: string[] = [];
    const wanted: string[] = [];
    for (const [bucket, { changed }] of found) {
      const known = this.#buckets.get(bucket)?.changed;
      for (const name of known?.keys() ?? []) if (!changed.has(name)) gone.push(name);
      for (const [name, version] of changed)
        if (all || !this.rows.has(name) || known?.get(name) !== version) wanted.push(name);
    }
    const rows = await this.store.read(wanted);
    for (const name of gone) this.rows.delete(name);
    for (const name of wanted) {
      const row = rows.get(name);
      if (row === undefined) this.rows.delete(name);
      else this.rows.set(name, row);
    }
    for (const [bucket, known] of found) this.#buckets.set(bucket, known);
  }

  #versionOf(bucket: string): number {
    return this.#buckets.get(bucket)?.version ?? 0;
  }
}
