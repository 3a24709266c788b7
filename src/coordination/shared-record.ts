/**
 * A record that many change at once, as JSON. What this process wants of it in the meantime goes in one write, and who
 * loses to another process comes back a little later.
 */

import type { Records } from '../broker/broker.js';
import { afterLoss } from './contention.js';

/**
 * Makes the next value of a record; `undefined` leaves it as it is.
 * @param version the version the record will have with it
 */
export type Change<V> = (value: V | undefined, version: number) => V | undefined | Promise<V | undefined>;

interface Wanted<V> {
  readonly change: Change<V>;
  readonly resolve: (version: number) => void;
  readonly reject: (error: unknown) => void;
}

export class SharedRecord<V> {
  #wanted: Wanted<V>[] = [];
  #writing = false;

  constructor(
    private readonly records: Pick<Records, 'create' | 'read' | 'replace'>,
    private readonly key: string,
  ) {}

  /** May ask `change` again. @returns the version that has the change */
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
