import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerError, BrokerUnavailableError, DuplicateTaskError } from 'celeriac';
import { LONGEST_LIFE_MS } from '#src/broker/claims.js';
import { BrokerClock } from '#src/broker/clock.js';
import type { Engine, JobRef, StoredJob } from '#src/broker/engine.js';
import { IdIndex } from '#src/broker/id-index.js';
import { encodeCustomId } from '#src/broker/ids.js';
import { UniqueKeys } from '#src/broker/unique-keys.js';
import { rejection } from '../../support/app.js';
import { FakeRecords } from '../../support/fake-records.js';

const RETRY_MS = 100;
const GONE = new BrokerUnavailableError('gone', { address: 'redis://x' });

/** A broker in memory, and callers in processes of their own. */
function broker() {
  const records = new FakeRecords();
  const jobs = new Set<string>();
  const readJobs = async (refs: readonly JobRef[]) =>
    refs.map(({ id }) => (jobs.has(id) ? ({ id } as StoredJob) : undefined));
  const engine = { records, readJobs } as unknown as Engine;
  const clock = new BrokerClock(engine);
  const caller = () => new IdIndex(engine, clock, RETRY_MS);
  const keys = () => new UniqueKeys(engine, clock, () => 'yes', RETRY_MS);
  /** Sends a task with an id of its own. */
  const send = (index: IdIndex, id: string, queue = 'q') =>
    index.claim(id, { queue, delayMs: 0 }, async () => void jobs.add(encodeCustomId(id)));
  return { records, jobs, clock, caller, keys, send };
}

describe('The claim of a task id', () => {
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
    const { caller, jobs, send } = broker();
    let arrive: () => void = () => undefined;
    const first = caller().claim('mine', { queue: 'q', delayMs: 0 }, async () => {
      await new Promise<void>((resolve) => (arrive = resolve));
      jobs.add(encodeCustomId('mine'));
    });
    await new Promise((resolve) => setImmediate(resolve));
    const second = rejection(send(caller(), 'mine', 'another'));
    arrive();
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
