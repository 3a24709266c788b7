import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OptionError, TaskRevokedError } from 'celeriac';
import type { Engine, StoredJob } from '#src/broker/broker.js';
import type { FailedPlace } from '#src/broker/queue-admin.js';
import { FailedTasks } from '#src/control/failed.js';
import type { TaskRecord } from '#src/coordination/task-record.js';
import { laneOf } from '#src/protocol/lanes.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import { revocationText } from '#src/results/failure-text.js';
import { rejection } from '../../support/app.js';
import { clockAt, waitingJob } from '../../support/fake-engine.js';

/** Failed tasks in a broker: each failed a moment after the one before. */
function broker() {
  const jobs = new Map<string, StoredJob & { kind: TaskRecord['kind'] }>();
  const done: string[] = [];
  const pages: (readonly string[])[] = [];
  const key = { holder: undefined as string | undefined };
  const trouble = { retrying: undefined as Error | undefined };
  const places = (queues: readonly string[], before: FailedPlace | undefined) =>
    [...jobs.values()]
      .filter(({ queue, doneAt }) => queues.includes(queue) && (doneAt ?? 0) < (before?.at ?? 1e9))
      .sort((a, b) => (b.doneAt ?? 0) - (a.doneAt ?? 0))
      .map(({ id, queue, doneAt = 0 }) => ({ id, queue, at: doneAt }));
  const engine = {
    hold: () => () => undefined,
    isUnavailable: (error: Error) => error.message === 'away',
    streams: { remove: async () => undefined },
    signals: { notify: () => undefined },
    queues: {
      known: async () => ['q', 'other', laneOf('q', 'task')].map((name) => ({ name })),
      failed: async (queues: readonly string[], before: FailedPlace | undefined, size: number) => {
        pages.push(queues);
        return places(queues, before).slice(0, size);
      },
      reset: async () => undefined,
    },
    backend: async () => ({
      updateData: async () => undefined,
      retryFinishedJob: async ({ id }: { id: string }) => {
        if (trouble.retrying !== undefined) throw trouble.retrying;
        done.push(`retry ${id}`);
      },
      remove: async (id: string) => void done.push(`remove ${id}`),
    }),
  } as unknown as Engine;
  const failed = new FailedTasks({
    engine,
    tasks: { read: async (refs) => refs.map(({ id }) => jobs.get(id)) },
    clock: Object.assign(clockAt(9_000), { sync: async () => undefined }),
    index: {
      locate: async (id: string) => (jobs.has(id) ? { queue: 'q', id } : undefined),
      keep: async (id: string) => void done.push(`keep ${id}`),
      expire: async (id: string) => void done.push(`forget ${id}`),
    } as never,
    unique: {
      takeAgain: async () => (key.holder === undefined ? undefined : { taskId: key.holder }),
    } as never,
    decoding: {
      classes: new ErrorClasses(),
      decodeArgs: (args) => {
        if (args === 'odd') throw new Error('no such serializer');
        return args as unknown[];
      },
      decodeResult: (value) => value,
    },
  });
  return {
    failed,
    done,
    pages,
    key,
    trouble,
    add(id: string, message: object = {}, more: Partial<TaskRecord> = {}) {
      const data = JSON.stringify({ v: 1, args: [], ...message });
      const fields = { data, doneAt: 1_000 + jobs.size, failedReason: 'Error: no', ...more };
      jobs.set(id, waitingJob(id, fields as Partial<StoredJob>));
    },
    ids: async (options: Parameters<FailedTasks['list']>[0] = {}) =>
      (await failed.list(options)).map(({ id }) => id),
  };
}

const revoked = (id: string) => {
  const { message, stack } = revocationText(new TaskRevokedError({ taskId: id, taskName: 'task' }));
  return { failedReason: message, stack };
};

describe('The list of failed tasks', () => {
  it('has the newest first, page by page, and none that was revoked, is gone or goes on', async () => {
    const { add, ids } = broker();
    for (const id of ['a', 'b', 'c']) add(id);
    add('revoked', {}, revoked('revoked'));
    add('well', {}, { returnvalue: '1' });
    add('running', {}, { doneAt: undefined, running: true });
    assert.deepEqual(await ids(), ['c', 'b', 'a']);
    assert.deepEqual(await ids({ limit: 2 }), ['c', 'b']);
    assert.deepEqual(await ids({ limit: 2, after: 'b' }), ['a']);
  });

  it('is of a queue with its lanes, or of a task', async () => {
    const { add, ids, pages } = broker();
    add('a');
    add('laned', {}, { queue: laneOf('q', 'task') });
    add('mail', {}, { queue: 'other', name: 'mail' });
    assert.deepEqual(await ids({ queue: 'q' }), ['laned', 'a']);
    assert.deepEqual(pages, [['q', laneOf('q', 'task')]]);
    assert.deepEqual(await ids({ task: 'mail' }), ['mail']);
  });

  it('shows one whose arguments cannot be read here without them', async () => {
    const { add, failed } = broker();
    add('a', { args: 'odd' });
    assert.deepEqual((await failed.get('a'))?.args, []);
  });

  it('refuses what cannot be right', async () => {
    const { failed, add } = broker();
    add('a', {}, revoked('a'));
    for (const options of [
      { limit: 0 },
      { limit: 1.5 },
      { after: 'gone' },
      { after: 'a' },
      { queue: 'a:b' },
      { n: 1 },
    ])
      assert.ok((await rejection(failed.list(options))) instanceof OptionError, JSON.stringify(options));
    assert.equal(await failed.get('a'), undefined);
  });
});

describe('A retry of failed tasks', () => {
  it('does what can be done, once each, and says why not of the others', async () => {
    const { add, failed, done } = broker();
    add('a');
    add('part', { flow: {} });
    const { done: retried, refused } = await failed.retry(['a', 'a', 'part', 'gone']);
    assert.deepEqual(retried, ['a']);
    assert.deepEqual(Object.keys(refused), ['part', 'gone']);
    assert.match(refused.part ?? '', /part of a workflow/);
    assert.deepEqual(done, ['keep a', 'retry a']);
  });

  it('takes all there are, or those of a filter', async () => {
    const { add, failed } = broker();
    add('a');
    add('mail', {}, { name: 'mail' });
    assert.deepEqual((await failed.retry({ task: 'mail' })).done, ['mail']);
    assert.deepEqual((await failed.retry({})).done, ['mail', 'a']);
    for (const wrong of [{ name: 'mail' }, [''], [7]])
      assert.ok((await rejection(failed.retry(wrong as never))) instanceof OptionError);
  });

  it('is refused while another task holds its key, or when somebody was there first', async () => {
    const { add, failed, key, trouble, done } = broker();
    add('a', { unique: 'unique:x' });
    key.holder = 'another';
    assert.match((await failed.retry('a')).refused.a ?? '', /"another" holds its unique key/);
    assert.deepEqual(done, []);
    key.holder = undefined;
    trouble.retrying = new Error('missing key');
    assert.match((await failed.retry('a')).refused.a ?? '', /somebody else/);
    trouble.retrying = new Error('away');
    await assert.rejects(failed.retry('a'), /away/);
  });
});

describe('Deleting failed tasks', () => {
  it("drops the record and frees the caller's own id", async () => {
    const { add, failed, done } = broker();
    add('a', { id: 'mine' });
    assert.deepEqual((await failed.delete('a')).done, ['mine']);
    assert.deepEqual(done, ['remove a', 'forget mine']);
  });
});
