/**
 * Which schedules there are, and which of them changed: their names lie in 256 small records, buckets, by a hash of the
 * name, each with the version of its bucket that told of it last. One record, the head, has the version of every bucket.
 * So a change costs a write of one bucket and one of the head, however many there are, and who knows what was there finds
 * what is new in the head, the buckets it names and nothing else.
 */
import { createHash } from 'node:crypto';
import type { Records, StoredRecord } from '../broker/broker.js';
import { SharedRecord } from './shared-record.js';

/** The version of each bucket that has ever had a name. */
export type Head = ReadonlyMap<string, number>;

export interface Bucket {
  readonly version: number;
  /** The bucket's version when it was told last that the schedule changed, by name. */
  readonly told: ReadonlyMap<string, number>;
}

type Told = readonly (readonly [name: string, version: number])[];

/** The record of the head. */
export const HEAD_KEY = 'schedule-index';

export class ScheduleIndex {
  readonly #head: SharedRecord<Record<string, number>>;
  readonly #buckets = new Map<string, SharedRecord<Told>>();

  constructor(private readonly records: Records) {
    this.#head = new SharedRecord(records, HEAD_KEY);
  }

  /** Lists it, where it is not listed yet. Tells nobody who knows its bucket. */
  async list(name: string): Promise<void> {
    const bucket = bucketOf(name);
    const version = await this.#change(bucket, (told, next) =>
      told.some(([other]) => other === name) ? undefined : [...told, [name, next]],
    );
    await this.#head.change((head) =>
      head?.[bucket] === undefined ? { ...head, [bucket]: version } : undefined,
    );
  }

  /** These changed, or came. */
  async tell(names: readonly string[]): Promise<void> {
    await Promise.all(
      [...inBuckets(names)].map(async ([bucket, group]) => {
        const version = await this.#change(bucket, (told, next) => [
          ...told.filter(([name]) => !group.has(name)),
          ...[...group].map((name) => [name, next] as const),
        ]);
        await this.#raise(bucket, version);
      }),
    );
  }

  /** A schedule went. @param isBack whether it has come back meanwhile: then it stays listed */
  async drop(name: string, isBack: () => Promise<boolean>): Promise<void> {
    const bucket = bucketOf(name);
    const version = await this.#change(bucket, async (told) => {
      const left = told.filter(([other]) => other !== name);
      return left.length === told.length || (await isBack()) ? undefined : left;
    });
    if (version > 0) await this.#raise(bucket, version);
  }

  async read(buckets: readonly string[]): Promise<Map<string, Bucket>> {
    const found = await this.records.read(buckets.map(bucketKey));
    return new Map(buckets.map((bucket, i) => [bucket, bucketIn(found[i])]));
  }

  #change(
    bucket: string,
    change: (told: Told, next: number) => Told | undefined | Promise<Told | undefined>,
  ): Promise<number> {
    const record = this.#buckets.get(bucket) ?? new SharedRecord<Told>(this.records, bucketKey(bucket));
    this.#buckets.set(bucket, record);
    return record.change((told, next) => change(told ?? [], next));
  }

  /** Whoever raised it further told of this version too. */
  #raise(bucket: string, version: number): Promise<number> {
    return this.#head.change((head) =>
      (head?.[bucket] ?? 0) >= version ? undefined : { ...head, [bucket]: version },
    );
  }
}

export function headIn(record: StoredRecord | undefined): Head {
  return new Map(
    record === undefined ? [] : Object.entries(JSON.parse(record.value) as Record<string, number>),
  );
}

function bucketIn(record: StoredRecord | undefined): Bucket {
  const told = record === undefined ? [] : (JSON.parse(record.value) as Told);
  return { version: record?.version ?? 0, told: new Map(told) };
}

function inBuckets(names: readonly string[]): Map<string, Set<string>> {
  const groups = new Map<string, Set<string>>();
  for (const name of names) {
    const bucket = bucketOf(name);
    const group = groups.get(bucket) ?? new Set();
    groups.set(bucket, group.add(name));
  }
  return groups;
}

function bucketOf(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 2);
}

function bucketKey(bucket: string): string {
  return `${HEAD_KEY}:${bucket}`;
}
