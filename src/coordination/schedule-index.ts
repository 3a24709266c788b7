/**
 * The index of schedules: which exist, and which changed. Their names lie in 256 small records (buckets), by a hash of the
 * name. Each name carries the bucket version at which its schedule last changed. One more record, the head, holds the
 * version of every bucket. A change costs one write of a bucket and one of the head, however many schedules exist. A reader
 * that knows an earlier state reads only the head and the buckets that changed.
 */
import { createHash } from 'node:crypto';
import type { Records, StoredRecord } from '../broker/broker.js';
import { SharedRecord } from './shared-record.js';

/** The version of each bucket that has ever had a name. */
export type Head = ReadonlyMap<string, number>;

/** The schedules in one bucket. */
export interface Bucket {
  readonly version: number;
  /** By name: the bucket version at which the schedule last changed. */
  readonly changed: ReadonlyMap<string, number>;
}

type Listed = readonly (readonly [name: string, version: number])[];

/** The key of the head's record. */
export const HEAD_KEY = 'schedule-index';

/** Reads and writes the index of schedules. */
export class ScheduleIndex {
  readonly #head: SharedRecord<Record<string, number>>;
  readonly #buckets = new Map<string, SharedRecord<Listed>>();

  constructor(private readonly records: Records) {
    this.#head = new SharedRecord(records, HEAD_KEY);
  }

  /** Lists a name unless it is listed. Readers that know its bucket do not see a change. */
  async list(name: string): Promise<void> {
    const bucket = bucketOf(name);
    const version = await this.#change(bucket, (listed, next) =>
      listed.some(([other]) => other === name) ? undefined : [...listed, [name, next]],
    );
    await this.#head.change((head) =>
      head?.[bucket] === undefined ? { ...head, [bucket]: version } : undefined,
    );
  }

  /** Marks these schedules as changed or new. */
  async notify(names: readonly string[]): Promise<void> {
    await Promise.all(
      [...inBuckets(names)].map(async ([bucket, group]) => {
        const version = await this.#change(bucket, (listed, next) => [
          ...listed.filter(([name]) => !group.has(name)),
          ...[...group].map((name) => [name, next] as const),
        ]);
        await this.#raise(bucket, version);
      }),
    );
  }

  /** Removes a schedule's name. @param isBack whether the schedule was created anew meanwhile: then its name stays */
  async drop(name: string, isBack: () => Promise<boolean>): Promise<void> {
    const bucket = bucketOf(name);
    const version = await this.#change(bucket, async (listed) => {
      const left = listed.filter(([other]) => other !== name);
      return left.length === listed.length || (await isBack()) ? undefined : left;
    });
    if (version > 0) await this.#raise(bucket, version);
  }

  /** Reads buckets by name, in one round trip. */
  async read(buckets: readonly string[]): Promise<Map<string, Bucket>> {
    const found = await this.records.read(buckets.map(bucketKey));
    return new Map(buckets.map((bucket, i) => [bucket, bucketIn(found[i])]));
  }

  #change(
    bucket: string,
    change: (listed: Listed, next: number) => Listed | undefined | Promise<Listed | undefined>,
  ): Promise<number> {
    const record = this.#buckets.get(bucket) ?? new SharedRecord<Listed>(this.records, bucketKey(bucket));
    this.#buckets.set(bucket, record);
    return record.change((listed, next) => change(listed ?? [], next));
  }

  /** Raises the bucket's version in the head. A higher version there covers this change too. */
  #raise(bucket: string, version: number): Promise<number> {
    return this.#head.change((head) =>
      (head?.[bucket] ?? 0) >= version ? undefined : { ...head, [bucket]: version },
    );
  }
}

/** The head in its record; empty when there is none. */
export function headIn(record: StoredRecord | undefined): Head {
  return new Map(
    record === undefined ? [] : Object.entries(JSON.parse(record.value) as Record<string, number>),
  );
}

function bucketIn(record: StoredRecord | undefined): Bucket {
  const listed = record === undefined ? [] : (JSON.parse(record.value) as Listed);
  return { version: record?.version ?? 0, changed: new Map(listed) };
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
