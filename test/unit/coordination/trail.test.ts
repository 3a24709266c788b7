import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { noteTrail, readTrail } from '#src/coordination/trail.js';
import { FakeRecords } from '../../support/fake-records.js';

const a = { id: 'a' };
const b = { id: 'b', group: true } as const;

describe('The trail of a task', () => {
  it('is what was noted, for as long as it is kept', async () => {
    const records = new FakeRecords();
    assert.deepEqual(await readTrail({ records }, 'task'), []);
    await noteTrail({ records }, 'task', [a, b], 60_000);
    assert.deepEqual(await readTrail({ records }, 'task'), [a, b]);
    assert.deepEqual(
      [...records.kept.values()].map(({ ttlMs }) => ttlMs),
      [60_000],
    );
    assert.equal(records.calls.create, 1);
  });

  it('grows with each attempt, and has each call once', async () => {
    const records = new FakeRecords();
    await noteTrail({ records }, 'task', [a], 5);
    await noteTrail({ records }, 'task', [a, b], 7);
    assert.deepEqual(await readTrail({ records }, 'task'), [a, b]);
    assert.deepEqual(
      [...records.kept.values()].map(({ ttlMs }) => ttlMs),
      [7],
    );
  });

  it('has an end', async () => {
    const records = new FakeRecords();
    const many = Array.from({ length: 10_001 }, (_, i) => ({ id: `${i}` }));
    await noteTrail({ records }, 'task', many, 5);
    assert.equal((await readTrail({ records }, 'task')).length, 10_000);
  });
});
