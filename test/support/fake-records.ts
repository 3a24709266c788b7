/** The Records port in memory, for unit tests: what was written, with its time to live. */
import type { Records, StoredRecord } from '#src/broker/broker.js';

export class FakeRecords implements Records {
  readonly kept = new Map<string, StoredRecord & { readonly ttlMs: number | undefined }>();
  /** How often each method was called. */
  readonly calls = { create: 0, read: 0, replace: 0, remove: 0 };

  async create(key: string, value: string, ttlMs?: number): Promise<boolean> {
    this.calls.create++;
    if (this.kept.has(key)) return false;
    this.kept.set(key, { value, version: 1, ttlMs });
    return true;
  }

  async read(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    this.calls.read++;
    return keys.map((key) => this.kept.get(key));
  }

  async replace(key: string, version: number, value: string, ttlMs?: number): Promise<boolean> {
    this.calls.replace++;
    if (this.kept.get(key)?.version !== version) return false;
    this.kept.set(key, { value, version: version + 1, ttlMs });
    return true;
  }

  async remove(key: string, version?: number): Promise<boolean> {
    this.calls.remove++;
    const found = this.kept.get(key);
    if (found === undefined || (version !== undefined && found.version !== version)) return false;
    return this.kept.delete(key);
  }
}
