/**
 * A JSON record that many processes change at once. Changes requested in this process during a write go together in the
 * next write. After a lost compare-and-set the write is tried again a little later.
 */

import type { Records } from '../broker/broker.js';
import { afterLoss } from './contention.js';

/**
 * Makes the next value of a record; `undefined` leaves the record as it is.
 * @param version the version that the record will have with the new value
 */
export type Change<V> = (value: V | undefined, version: number) => V | undefined | Promise<V | undefined>;

/** A requested change. */
interface Wanted<V> {
  readonly change: Change<V>;
  readonly resolve: (version: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Batches the changes of one process to one record. */
export class SharedRecord<V> {
  #wanted: Wanted<V>[] = [];
  #writing = false;

  constructor(
    private readonly records: Pick<Records, 'create' | 'read' | 'replace'>,
    private readonly key: string,
  ) {}

  /** Changes the record; may call `change` several times. @returns the version that includes the change */
  change(change: Change<V>): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ change, resolve, reject });
      if (!this.#writing) void this.#writeAll();
    });
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    this.#writing = true;
    while (this.#wanted.length > 0) {
      const batch = this.#wanted;
      this.#wanted = [];
      try {
        const version = await this.#write(batch);
        for (const { resolve } of batch) resolve(version);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
  }

  async #write(batch: readonly Wanted<V>[]): Promise<number> {
    const { key, records } = this;
    for (let losses = 1; ; losses++) {
      const [record] = await records.read([key]);
      const version = record?.version ?? 0;
      const before = record === undefined ? undefined : (JSON.parse(record.value) as V);
      let value = before;
      for (const { change } of batch) value = (await change(value, version + 1)) ?? value;
      if (value === undefined || value === before) return version;
      const text = JSON.stringify(value);
      const written =
        record === undefined ? await records.create(key, text) : await records.replace(key, version, text);
      if (written) return version + 1;
      await afterLoss(losses);
    }
  }
}
