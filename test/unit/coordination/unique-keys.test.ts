import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import type { TaskRecord } from '#src/coordination/task-record.js';
import { type KeyHolder, releaseKey, type Standing, UniqueKeys } from '#src/coordination/unique-keys.js';
import { clockAt } from '../../support/fake-engine.js';
import { FakeRecords } from '../../support/fake-records.js';

const KEY = 'unique:x';
const NOW = 1_000_000;
/** Every look takes so long, by this process's own clock. */
const LOOK_MS = 1_000;

const holder = (taskId: string, more: Partial<KeyHolder> = {}): KeyHolder => ({
  taskId,
  job: { queue: 'q', id: taskId },
  at: NOW,
  ...more,
});

/** A key in memory, and tasks whose standing the test decides. */
function keys(t: TestContext, { stands = 'yes' }: { stands?: Standing } = {}) {
  let now = 0;
  t.mock.method(performance, 'now', () => (now += LOOK_MS));
  const records = new FakeRecords();
  const jobs = new Set<string>();
  const standing = { is: stands, asked: 0 };
  const tasks = {
    read: async (refs: readonly { readonly id: string }[]) =>
      refs.map(({ id }) => (jobs.has(id) ? ({ id } as TaskRecord) : undefined)),
  };
  const unique = new UniqueKeys(
    { records },
    tasks,
    clockAt(NOW),
    () => {
      standing.asked++;
      return standing.is;
    },
    3_000,
  );
  return { records, jobs, standing, claim: (mine: KeyHolder) => unique.claim(KEY, mine, 60_000) };
}

describe('A unique key', () => {
  it('is for the first, and names it to the others while its task is alive', async (t) => {
    const { claim, jobs, records } = keys(t);
    assert.equal(await claim(holder('a')), undefined);
    jobs.add('a');
    assert.equal((await claim(holder('b')))?.taskId, 'a');
    assert.equal(records.kept.get(KEY)?.ttlMs, 60_000);
  });

  it('is taken over at once from a task that has ended', async (t) => {
    const { claim, jobs, records, standing } = keys(t, { stands: 'no' });
    await claim(holder('a'));
    jobs.add('a');
    assert.equal(await claim(holder('b')), undefined);
    assert.match(records.kept.get(KEY)?.value ?? '', /"taskId":"b"/);
    assert.equal(standing.asked, 1);
  });

  it('is still held by the call that takes it twice: the answer to the first was lost', async (t) => {
    const { claim, records } = keys(t);
    await claim(holder('a'));
    assert.equal(await claim(holder('a')), undefined);
    assert.equal(records.calls.replace, 0);
  });

  it('without a job is waited for until its call is over by either clock, and free then', async (t) => {
    const late = keys(t);
    await late.claim(holder('a', { at: NOW - 5_000 }));
    const { read } = late.records.calls;
    assert.equal(await late.claim(holder('b')), undefined);
    assert.equal(late.records.calls.read, read + 1, "over by the broker's clock: at the first look");
    const { claim, records } = keys(t);
    await claim(holder('a'));
    assert.equal(await claim(holder('b')), undefined);
    // Three seconds of retries and one to spare, a second each look.
    assert.equal(records.calls.read, 5);
  });

  it('of a revoked task that is slow to end is given up after a moment: the task holds it', async (t) => {
    const { claim, jobs, standing } = keys(t, { stands: 'unknown' });
    await claim(holder('a'));
    jobs.add('a');
    assert.equal((await claim(holder('b')))?.taskId, 'a');
    assert.equal(standing.asked, 2);
  });
});

describe('A key that is released', () => {
  it('is free; one that another task holds by now stays', async () => {
    const records = new FakeRecords();
    const engine = { records } as unknown as Engine;
    await records.create(KEY, JSON.stringify(holder('a')));
    await releaseKey(engine, KEY, 'b');
    assert.equal(records.kept.size, 1);
    await releaseKey(engine, KEY, 'a');
    assert.equal(records.kept.size, 0);
    await releaseKey(engine, KEY, 'a');
  });

  it('stays when it was taken over at the same moment', async () => {
    const records = new FakeRecords();
    await records.create(KEY, JSON.stringify(holder('a')));
    const { read } = records;
    records.read = async (asked) => {
      const found = await read.call(records, asked);
      await records.replace(KEY, 1, JSON.stringify(holder('b')));
      return found;
    };
    await releaseKey({ records } as unknown as Engine, KEY, 'a');
    assert.match(records.kept.get(KEY)?.value ?? '', /"b"/);
  });
});
