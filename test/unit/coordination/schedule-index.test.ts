import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HEAD_KEY, headIn, ScheduleIndex } from '#src/coordination/schedule-index.js';
import { FakeRecords } from '../../support/fake-records.js';

/** An index in memory, as two processes have it. */
function index() {
  const records = new FakeRecords();
  const read = async () => {
    const [record] = await records.read([HEAD_KEY]);
    return headIn(record);
  };
  return {
    records,
    mine: new ScheduleIndex(records),
    other: new ScheduleIndex(records),
    head: read,
    /** What a reader finds, through the head. */
    async listed(): Promise<Record<string, number>> {
      const buckets = await new ScheduleIndex(records).read([...(await read()).keys()]);
      return Object.fromEntries([...buckets.values()].flatMap(({ changed }) => [...changed]));
    },
  };
}

const never = async () => false;

describe('The index of schedules', () => {
  it('lists a name once, and shows those who know its bucket no change', async () => {
    const { mine, other, head, records, listed } = index();
    await mine.list('a');
    const before = [...(await head())];
    const written = records.calls.create + records.calls.replace;
    await other.list('a');
    await mine.list('a');
    assert.deepEqual([...(await head())], before);
    assert.equal(records.calls.create + records.calls.replace, written, 'nothing was written');
    assert.deepEqual(await listed(), { a: 1 });
  });

  it('marks what changed with the version of its bucket, which the head has too', async () => {
    const { mine, other, head, listed } = index();
    await mine.list('a');
    await other.notify(['a', 'b']);
    await mine.notify(['b']);
    const { a, b } = await listed();
    assert.equal(a, 2);
    const versions = await head();
    assert.equal(versions.size, 2, 'they lie in two buckets');
    assert.deepEqual([...versions.values()].sort(), [a, b].sort());
  });

  it('raises the head to the last of several changes at once, whoever comes first', async () => {
    const { mine, other, head, listed } = index();
    await Promise.all(Array.from({ length: 12 }, (_, n) => (n % 2 ? mine : other).notify(['a'])));
    const [version] = (await head()).values();
    assert.equal((await listed()).a, version);
  });

  it('drops a name, for whoever looks by the head; one that is not there changes nothing', async () => {
    const { mine, head, listed } = index();
    await mine.notify(['a']);
    await mine.drop('other', never);
    assert.deepEqual([...(await head()).values()], [1]);
    await mine.drop('a', never);
    assert.deepEqual([...(await head()).values()], [2]);
    assert.deepEqual(await listed(), {});
  });

  it('keeps the name of a schedule that was created anew meanwhile', async () => {
    const { mine, head, listed } = index();
    await mine.notify(['a']);
    await mine.drop('a', async () => true);
    assert.deepEqual([await listed(), [...(await head()).values()]], [{ a: 1 }, [1]]);
  });

  it('is empty where nothing was ever listed', async () => {
    const { mine, listed } = index();
    assert.deepEqual(await listed(), {});
    const buckets = await mine.read(['00']);
    assert.deepEqual(buckets.get('00'), { version: 0, changed: new Map() });
  });
});
