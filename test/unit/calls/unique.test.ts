import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerError, BrokerUnavailableError, DuplicateTaskError } from 'celeriac';
import { type UniqueCall, UniqueCalls, uniqueCall } from '#src/calls/unique.js';
import type { ResolvedCall } from '#src/options/call-options.js';
import type { UniquePolicy } from '#src/options/limits.js';
import { readMessage } from '#src/protocol/message.js';
import { rejection } from '../../support/app.js';
import { clockAt, fakeEngine, waitingJob } from '../../support/fake-engine.js';

const NOW = 2_000;

function broker() {
  const fake = fakeEngine();
  const calls = new UniqueCalls(fake.engine, fake.tasks, clockAt(NOW), 50);
  const job = (id: string) => fake.broker.jobs.get(id);
  return {
    fake,
    calls,
    job,
    /** Sends a task of this id under the key `x`. */
    send(id: string, mode: UniquePolicy['mode']) {
      const call: UniqueCall = {
        name: 'task',
        key: 'unique:x',
        policy: { mode, key: undefined, ttlMs: undefined },
      };
      return calls.send(call, { taskId: id, queue: 'q', jobId: id }, async () => {
        fake.broker.jobs.set(id, waitingJob(id));
      });
    },
  };
}

describe('A unique call whose key is taken', () => {
  it('is refused, and told which task has it', async () => {
    const { send, job } = broker();
    assert.equal(await send('a', 'reject'), undefined);
    const error = await rejection(send('b', 'reject'));
    assert.ok(error instanceof DuplicateTaskError && error.taskId === 'a');
    assert.equal(job('b'), undefined);
  });

  it('gives the task that has it, where it is to return that', async () => {
    const { send, job } = broker();
    await send('a', 'return');
    assert.equal((await send('b', 'return'))?.taskId, 'a');
    assert.equal(job('b'), undefined);
  });

  it('takes the place of a task that has not started', async () => {
    const { send, job } = broker();
    await send('a', 'replace');
    assert.equal(await send('b', 'replace'), undefined);
    assert.ok(job('b') !== undefined);
    assert.match(readMessage(job('a')?.data ?? '').revoked?.reason ?? '', /replaced by a newer call of task/);
  });

  it('does not take the place of one that has started', async () => {
    const { fake, send, job } = broker();
    await send('a', 'replace');
    fake.broker.change('a', { running: true, deliveries: 1 });
    const error = await rejection(send('b', 'replace'));
    assert.match(error.message, /"a" has started and holds the key/);
    assert.equal(job('b'), undefined);
  });

  it('is sent once that task has ended', async () => {
    const { fake, send, job } = broker();
    await send('a', 'reject');
    fake.broker.change('a', { doneAt: 1, returnvalue: '1' });
    assert.equal(await send('b', 'reject'), undefined);
    assert.ok(job('b') !== undefined);
  });
});

describe('A unique call that could not be sent', () => {
  const key = (kept: ReadonlyMap<string, unknown>) => kept.has('unique:x');
  const call: UniqueCall = {
    name: 'task',
    key: 'unique:x',
    policy: { mode: 'reject', key: undefined, ttlMs: undefined },
  };

  it('gives its key back when it was refused, and keeps it where the task may have arrived', async () => {
    const envelope = { taskId: 'a', queue: 'q', jobId: 'a' };
    const refused = broker();
    await rejection(refused.calls.send(call, envelope, () => Promise.reject(new BrokerError('no'))));
    assert.equal(key(refused.fake.broker.records), false);
    const away = broker();
    const gone = new BrokerUnavailableError('gone', { address: 'redis://x' });
    assert.equal(await rejection(away.calls.send(call, envelope, () => Promise.reject(gone))), gone);
    assert.equal(key(away.fake.broker.records), true);
  });
});

describe('The key of a call', () => {
  const of = (policy: UniquePolicy | undefined, packed: string, unique?: ResolvedCall['unique']) =>
    uniqueCall({ target: { name: 'task', publish: { unique: policy } } as never, args: [1], packed }, {
      unique,
    } as ResolvedCall)?.key;
  const byArgs: UniquePolicy = { mode: 'reject', key: undefined, ttlMs: undefined };
  const byKey = (key: string): UniquePolicy => ({ ...byArgs, key: () => key });

  it('is made of its arguments as they travel, or is its own; the two are never the same', () => {
    assert.equal(of(byArgs, '[1]'), of(byArgs, '[1]'));
    assert.notEqual(of(byArgs, '[1]'), of(byArgs, '[2]'));
    assert.equal(of(byKey('a'), '[1]'), of(byKey('a'), '[2]'));
    assert.notEqual(of(byKey('[1]'), ''), of(byArgs, '[1]'));
  });

  it('is short, however long what it is made of', () => {
    const [long, longer] = [of(byArgs, 'x'.repeat(10_000)), of(byArgs, 'x'.repeat(10_001))];
    assert.notEqual(long, longer);
    assert.ok((long ?? '').length < 200);
  });

  it('is there where the task or the call wants one, and the call has the last word', () => {
    assert.equal(of(undefined, '[1]'), undefined);
    assert.ok(of(undefined, '[1]', byArgs) !== undefined);
    assert.equal(of(byArgs, '[1]', null as never), undefined);
  });
});
