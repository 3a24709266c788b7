import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import {
  IGNORED_MS,
  noteIgnored,
  raiseTombstone,
  recordOfTombstone,
  tombstoneKey,
  wasIgnored,
} from '#src/coordination/tombstones.js';
import { FakeRecords } from '../../support/fake-records.js';

const REF = { queue: 'q', id: 'a' };
const tomb = (droppedAt: number) => ({ name: 'task', data: '{"v":1,"args":[]}', sentAt: 5, droppedAt });

function broker() {
  const records = new FakeRecords();
  return { records, engine: { records } as unknown as Engine };
}

describe('The note of a dropped task', () => {
  it('reads as a task that never ran and ended when it was dropped', async () => {
    const { records, engine } = broker();
    await raiseTombstone(engine, REF, tomb(9), 60_000);
    const note = records.kept.get(tombstoneKey(REF));
    assert.equal(note?.ttlMs, 60_000);
    const { kind, id, queue, name, sentAt, doneAt, startedAt, deliveries, running } = recordOfTombstone(
      REF,
      note?.value ?? '',
    );
    assert.deepEqual([kind, id, queue, name, sentAt, doneAt], ['dropped', 'a', 'q', 'task', 5, 9]);
    assert.deepEqual([startedAt, deliveries, running], [undefined, 0, false]);
  });

  it('is of the last one that had the id, and lives anew', async () => {
    const { records, engine } = broker();
    await raiseTombstone(engine, REF, tomb(9), 60_000);
    await raiseTombstone(engine, REF, tomb(20), 5_000);
    const note = records.kept.get(tombstoneKey(REF));
    assert.deepEqual([recordOfTombstone(REF, note?.value ?? '').doneAt, note?.ttlMs], [20, 5_000]);
  });

  it('is not mistaken for that of another queue', () => {
    assert.notEqual(tombstoneKey(REF), tombstoneKey({ ...REF, queue: 'other' }));
  });
});

describe('A task that leaves no result, by its own word', () => {
  it('is known for a while after its job has gone', async () => {
    const { records, engine } = broker();
    assert.equal(await wasIgnored(engine, REF), false);
    await noteIgnored(engine, REF);
    assert.equal(await wasIgnored(engine, REF), true);
    assert.equal(await wasIgnored(engine, { ...REF, queue: 'other' }), false);
    assert.deepEqual(
      [...records.kept.values()].map(({ ttlMs }) => ttlMs),
      [IGNORED_MS],
    );
  });
});
