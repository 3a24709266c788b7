/** Records in memory, for tests of what is kept in them. They never expire. */
import type { Records, StoredRecord } from '#src/broker/broker.js';

/** @param away while it is true, every call fails as if the broker were out of reach */
export function fakeRecords(broker: { away: boolean } = { away: false }) {
  const kept = new Map<string, StoredRecord>();
  const reach = () => {
    if (broker.away) throw new Error('the broker is away');
  };
  const records: Records = {
    async create(key, value) {
      reach();
      if (kept.has(key)) return false;
      kept.set(key, { value, version: 1 });
      return true;
    },
    async read(keys) {
      reach();
      return keys.map((key) => kept.get(key));
    },
    async replace(key, version, value) {
      reach();
      if (kept.get(key)?.version !== version) return false;
      kept.set(key, { value, version: version + 1 });
      return true;
    },
    async remove(key) {
      reach();
      return kept.delete(key);
    },
  };
  return { records, kept };
}
