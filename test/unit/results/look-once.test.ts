import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoredJob } from '#src/broker/broker.js';
import { ResultTimeoutError, UnknownTaskError } from '#src/errors.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import { AsyncResult } from '#src/results/async-result.js';
import { GroupResult } from '#src/results/group-result.js';
import type { ResultSource } from '#src/results/result-source.js';
import { clockAt, fakeEngine, waitingJob } from '../../support/fake-engine.js';

function resultOf(job: StoredJob | undefined) {
  const { engine } = fakeEngine();
  const patiently = <R>(work: () => Promise<R>) => work();
  const source = {
    engine,
    clock: clockAt(2000),
    feed: {
      read: async () => job,
      patiently,
      until: () => assert.fail('it waits'),
      watch: () => assert.fail('it listens'),
    },
    decoding: {
      classes: new ErrorClasses(),
      decodeArgs: (args: unknown) => args as unknown[],
      decodeResult: (value: unknown) => value,
    },
    locate: async () => ({ queue: 'q', id: 'job' }),
  } as unknown as ResultSource;
  return {
    result: new AsyncResult(source, 'job'),
    group: new GroupResult(source, 'job', [new AsyncResult(source, 'job')]),
  };
}

describe('get({ timeout: 0 })', () => {
  it('gives what has ended', async () => {
    const { result, group } = resultOf(waitingJob('job', { doneAt: 1500, returnvalue: '7' }));
    assert.equal(await result.get({ timeout: 0 }), 7);
    assert.deepEqual(await group.get({ timeout: 0 }), [7]);
    const seen: string[] = [];
    assert.equal(await result.get({ timeout: '0ms', onUpdate: ({ state }) => seen.push(state) }), 7);
    assert.deepEqual(seen, ['SUCCESS']);
  });

  it('throws what it failed with', async () => {
    const { result } = resultOf(waitingJob('job', { doneAt: 1500, failedReason: 'Error: no', retries: 1 }));
    assert.match(String(await result.get({ timeout: 0, propagate: false })), /no/);
  });

  it('says so of what has not, and of what nobody knows', async () => {
    await assert.rejects(resultOf(waitingJob('job')).result.get({ timeout: 0 }), ResultTimeoutError);
    await assert.rejects(resultOf(undefined).result.get({ timeout: 0 }), UnknownTaskError);
  });

  it('does not wait for what leaves no result, nor for a caller that has gone', async () => {
    const ignored = waitingJob('job', { data: JSON.stringify({ v: 1, args: [], ignore: true }) });
    assert.equal(await resultOf(ignored).result.get({ timeout: 0 }), undefined);
    const signal = AbortSignal.abort(new Error('gone'));
    await assert.rejects(resultOf(ignored).result.get({ timeout: 0, signal }), /gone/);
  });
});
