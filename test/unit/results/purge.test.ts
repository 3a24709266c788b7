import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import type { TakenJob, TakeStep } from '#src/broker/queue-admin.js';
import { tombstoneKey } from '#src/coordination/tombstones.js';
import { IdSource } from '#src/protocol/ids.js';
import { readMessage } from '#src/protocol/message.js';
import { type EndedUnstarted, purgeQueue } from '#src/results/purge.js';
import { clockAt } from '../../support/fake-engine.js';
import { FakeRecords } from '../../support/fake-records.js';

const KEPT_MS = 60_000;
const ids = new IdSource();

function job(message: object = {}, more: Partial<TakenJob> = {}): TakenJob {
  const data = JSON.stringify({ v: 1, args: ['secret'], ...message });
  return { id: ids.next('q'), name: 'task', data, opts: {}, sentAt: 5, hasParent: false, ...more };
}

/** A queue with these jobs, and what a purge does to them. */
function queue(jobs: readonly TakenJob[], failureExpiresMs = KEPT_MS) {
  const records = new FakeRecords();
  const left = [...jobs];
  const steps: number[] = [];
  const ended = new Map<string, boolean>();
  const parts: EndedUnstarted[] = [];
  const expired: string[] = [];
  const notified: string[] = [];
  const engine = {
    records,
    streams: { remove: async () => undefined },
    signals: { notify: (topic: string) => notified.push(topic) },
    queues: {
      sizes: async () => [{ waiting: left.length - 1, delayed: 1 }],
      take: async (_: string, { limit, passed }: TakeStep) => {
        steps.push(limit);
        return { jobs: left.splice(0, limit), passed, looked: left.length > 0 || steps.length < 9 };
      },
    },
    backend: async () => ({
      moveToFailed: async ({ id }: { id: string }, _: string, removed: boolean) =>
        void ended.set(id, removed),
    }),
  } as unknown as Engine;
  const purge = () =>
    purgeQueue(
      {
        engine,
        clock: clockAt(1_000),
        index: { expire: async (id: string) => void expired.push(id) } as never,
        failureExpiresMs,
        onPart: async (part) => void parts.push(part),
      },
      'q',
    );
  const tomb = ({ id }: TakenJob, place = 'q') => records.kept.get(tombstoneKey({ queue: place, id }));
  return { purge, records, left, steps, ended, parts, expired, notified, tomb };
}

describe('A purge', () => {
  it('drops what waited when it began, in bounded steps, and tells who waits', async () => {
    const jobs = Array.from({ length: 450 }, () => job());
    const { purge, left, steps, notified } = queue(jobs);
    assert.equal(await purge(), 450);
    assert.deepEqual([left.length, steps, notified.length], [0, [200, 200, 50], 450]);
  });

  it('leaves of each a short note without its arguments, which says that it was revoked', async () => {
    const one = job();
    const { purge, tomb, ended } = queue([one]);
    await purge();
    const note = tomb(one);
    assert.doesNotMatch(note?.value ?? '', /secret/);
    const { name, data, droppedAt } = JSON.parse(note?.value ?? '{}') as Record<string, string>;
    assert.deepEqual([name, droppedAt, note?.ttlMs], ['task', 1_000, KEPT_MS]);
    assert.equal(readMessage(data ?? '').revoked?.reason, 'its queue was purged');
    assert.equal(ended.get(one.id), true, 'and its job goes');
  });

  it('keeps that note no longer than an hour, and none of what leaves no result', async () => {
    const [one, ignored] = [job(), job({ ignore: true })];
    const { purge, tomb, ended } = queue([one, ignored], 90 * 24 * 3_600_000);
    await purge();
    assert.deepEqual([tomb(one)?.ttlMs, tomb(ignored)], [3_600_000, undefined]);
    assert.equal(ended.get(ignored.id), true);
  });

  it('leaves the job of a part, since its workflow is told and reads it', async () => {
    const [part, child] = [job({ flow: {} }), job({}, { hasParent: true })];
    const { purge, tomb, ended, parts } = queue([part, child]);
    await purge();
    assert.deepEqual([ended.get(part.id), ended.get(child.id)], [false, false]);
    assert.deepEqual([tomb(part), tomb(child)], [undefined, undefined]);
    assert.deepEqual(
      parts.map(({ taskId }) => taskId),
      [part.id],
    );
  });

  it('lets go of what a task holds beside its job: its key, its own id, its place before a move', async () => {
    const mine = job({ id: 'mine', unique: 'unique:x', from: 'origin' }, { id: 'mine@q' });
    const { purge, records, expired, tomb } = queue([mine, job()]);
    const key = JSON.stringify({ taskId: 'mine', job: { queue: 'q', id: 'mine@q' }, at: 1 });
    await records.create('unique:x', key);
    await purge();
    assert.equal(records.kept.has('unique:x'), false);
    assert.deepEqual(expired, ['mine']);
    assert.ok(tomb(mine, 'origin') !== undefined, 'it is read where it was sent to');
  });

  it('leaves a key that another task holds by now', async () => {
    const { purge, records } = queue([job({ unique: 'unique:x' })]);
    await records.create('unique:x', JSON.stringify({ taskId: 'another' }));
    await purge();
    assert.equal(records.kept.has('unique:x'), true);
  });
});
