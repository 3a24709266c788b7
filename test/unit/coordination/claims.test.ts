import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerError, BrokerUnavailableError, DuplicateTaskError } from 'celeriac';
import type { Engine } from '#src/broker/broker.js';
import { BrokerClock } from '#src/broker/clock.js';
import { UniqueCalls } from '#src/calls/unique.js';
import { LONGEST_LIFE_MS } from '#src/coordination/claims.js';
import { TaskIdIndex } from '#src/coordination/task-id-index.js';
import type { TaskLookup, TaskRecord } from '#src/coordination/task-record.js';
import { UniqueKeys } from '#src/coordination/unique-keys.js';
import { encodeCustomId } from '#src/protocol/ids.js';
import { rejection } from '../../support/app.js';
import { FakeRecords } from '../../support/fake-records.js';

const RETRY_MS = 100;
const GONE = new BrokerUnavailableError('gone', { address: 'redis://x' });

/** The first claim is not answered: it is lost, or its answer is. */
function losesOne(records: FakeRecords, before: boolean): void {
  const create = records.create.bind(records);
  records.create = async (...args: Parameters<FakeRecords['create']>) => {
    records.create = create;
    if (!before) await create(...args);
    throw GONE;
  };
}

/** A broker in memory, and callers in processes of their own. */
function broker() {
  const records = new FakeRecords();
  const jobs = new Set<string>();
  const tasks: TaskLookup = {
    read: async (refs) =>
      refs.map(({ id }) => (jobs.has(id) ? ({ kind: 'job', id } as TaskRecord) : undefined)),
  };
  const engine = { records, hold: () => () => undefined } as unknown as Engine;
  const clock = new BrokerClock(engine);
  const caller = () => new TaskIdIndex(engine, tasks, clock, RETRY_MS);
  const keys = () => new UniqueKeys(engine, tasks, clock, () => 'yes', RETRY_MS);
  /** Sends a task with an id of its own. */
  const send = (index: TaskIdIndex, id: string, queue = 'q') =>
    index.claim(id, { queue, delayMs: 0 }, async () => void jobs.add(encodeCustomId(id)));
  return { records, jobs, engine, tasks, clock, caller, keys, send };
}

describe('The claim of a task id', () => {
  it('rides out a lost connection, whether or not it was carried out', async () => {
    for (const before of [true, false]) {
      const { records, jobs, caller, send } = broker();
      losesOne(records, before);
      await send(caller(), 'mine');
      assert.ok(jobs.has(encodeCustomId('mine')));
      assert.ok((await rejection(send(caller(), 'mine'))) instanceof DuplicateTaskError);
    }
  });

  it('without a job is left to whoever calls again, in any process, once its call is over', async () => {
    const { caller, jobs, send } = broker();
    const died = caller().claim('mine', { queue: 'q', delayMs: 0 }, () => Promise.reject(GONE));
    assert.equal(await rejection(died), GONE);
    await send(caller(), 'mine', 'another');
    assert.ok(jobs.has(encodeCustomId('mine')));
    assert.ok((await rejection(send(caller(), 'mine'))) instanceof DuplicateTaskError);
  });

  it('without a job is taken again at once by the process that made it', async () => {
    const { caller, send, records, clock } = broker();
    clock.stop();
    const index = caller();
    await rejection(index.claim('mine', { queue: 'q', delayMs: 0 }, () => Promise.reject(GONE)));
    const { read } = records.calls;
    await send(index, 'mine');
    assert.equal(records.calls.read, read + 1, 'looked once');
  });

  it('belongs to a call that is under way: a second one waits for it, and is told of its task', async () => {
    const { caller, jobs, send, tasks } = broker();
    let arrive: () => void = () => undefined;
    const first = caller().claim('mine', { queue: 'q', delayMs: 0 }, async () => {
      await new Promise<void>((resolve) => (arrive = resolve));
      jobs.add(encodeCustomId('mine'));
    });
    await new Promise((resolve) => setImmediate(resolve));
    // It arrives only once the second one has seen that it has no job yet.
    const { read } = tasks;
    tasks.read = async (refs) => {
      const found = await read(refs);
      setImmediate(arrive);
      return found;
    };
    const second = rejection(send(caller(), 'mine', 'another'));
    await first;
    assert.ok((await second) instanceof DuplicateTaskError);
  });

  it('is given back by a call that was refused, and lasts for no longer than a backlog may otherwise', async () => {
    const { caller, records, send } = broker();
    const index = caller();
    await rejection(
      index.claim('refused', { queue: 'q', delayMs: 0 }, () => Promise.reject(new BrokerError('no'))),
    );
    assert.deepEqual([...records.kept.keys()], []);
    await send(index, 'mine');
    await index.claim('later', { queue: 'q', delayMs: 5 }, async () => undefined);
    const lives = [...records.kept.values()].map(({ ttlMs }) => ttlMs);
    assert.deepEqual(lives, [LONGEST_LIFE_MS, LONGEST_LIFE_MS + 5]);
  });

  it('goes with the record of its task, unless that runs again', async () => {
    const { caller, records, send } = broker();
    const index = caller();
    await send(index, 'mine');
    const lifeMs = () => [...records.kept.values()][0]?.ttlMs;
    await index.expire('mine', 1000);
    assert.equal(lifeMs(), 1000);
    await index.keep('mine');
    assert.equal(lifeMs(), LONGEST_LIFE_MS);
  });

  it('of a workflow that was sent before is not given back by the call that is made again', async () => {
    const { caller, records } = broker();
    const claim = { id: 'mine', queue: 'q', jobId: 'flow.0@q' };
    await caller().claimAll([claim], async () => undefined);
    const sent = new DuplicateTaskError('sent', 'mine');
    await rejection(caller().claimAll([claim], () => Promise.reject(sent)));
    assert.equal(records.kept.size, 1);
  });
});

describe('A unique key', () => {
  it('without a job is left to the next call once the first is over, and goes by itself in the end', async () => {
    const { keys, records, clock } = broker();
    const mine = (taskId: string) => ({ taskId, job: { queue: 'q', id: taskId }, at: clock.now() });
    assert.equal(await keys().claim('unique:x', mine('first')), undefined);
    assert.equal(await keys().claim('unique:x', mine('second')), undefined);
    assert.equal(records.kept.get('unique:x')?.ttlMs, LONGEST_LIFE_MS);
  });

  it('is waited for no longer than a call may take, though the clock stands still', async () => {
    const { keys, clock } = broker();
    clock.stop();
    const mine = (taskId: string) => ({ taskId, job: { queue: 'q', id: taskId }, at: clock.now() });
    await keys().claim('unique:x', mine('first'));
    assert.equal(await keys().claim('unique:x', mine('second')), undefined);
  });
});

describe('A unique call', () => {
  it('rides out a lost connection while it takes its key', async () => {
    for (const before of [true, false]) {
      const { records, engine, tasks, clock } = broker();
      losesOne(records, before);
      const calls = new UniqueCalls(engine, tasks, clock, RETRY_MS);
      const sent: string[] = [];
      const call = { name: 'task', key: 'unique:task', policy: { mode: 'reject' } } as never;
      const holder = await calls.send(call, { taskId: 'a', queue: 'q', jobId: 'a' }, async () => {
        sent.push('a');
      });
      assert.equal(holder, undefined);
      assert.deepEqual(sent, ['a']);
    }
  });
});

describe("The broker's clock", () => {
  it('is asked again when the connection was lost, for as long as a call may keep trying', async () => {
    let asked = 0;
    const serverTime = async () => {
      if (asked++ === 0) throw GONE;
      return Date.now();
    };
    const clock = new BrokerClock({ serverTime } as unknown as Engine, RETRY_MS);
    await clock.sync();
    assert.equal(asked, 2);
    const once = new BrokerClock({ serverTime: () => Promise.reject(GONE) } as unknown as Engine);
    assert.equal(await rejection(Promise.resolve(once.sync())), GONE);
  });
});
