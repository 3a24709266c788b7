import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { InvalidArgumentsError, Reject } from '#src/errors.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import { type RegisteredTask, Registry } from '#src/tasks/registry.js';
import { Serializers } from '#src/tasks/serializers.js';
import { WireCodec } from '#src/tasks/wire-codec.js';
import { judge } from '#src/worker/run/judge.js';
import { retryRequest } from '#src/worker/run/retry-policy.js';
import type { RunningCall } from '#src/worker/run/running-call.js';

const params = { clock: { now: () => 0 }, codec: new WireCodec(new Serializers()), timezone: 'UTC' };

function task(options: object = {}): RegisteredTask {
  const registry = new Registry({}, new ErrorClasses());
  registry.addFunction('task', options, () => undefined);
  return registry.get('task') as RegisteredTask;
}

function call(delivery: object = {}): RunningCall {
  const message = { v: 1, args: [], headers: { a: 1, b: 1 }, tags: ['x'] };
  return {
    delivery: { message, retries: 0, deliveries: 1, queue: 'q', ...delivery },
  } as unknown as RunningCall;
}

describe('A task that puts itself back', () => {
  it('pauses longer each time, and counts nothing', async () => {
    const delays = [1, 2, 3, 8, 1000].map((deliveries) => {
      const outcome = judge(params, new Reject('no', { requeue: true }), call({ deliveries }), task());
      assert(!(outcome instanceof Promise) && outcome.kind === 'requeue');
      assert.equal(outcome.reason, 'no');
      return outcome.delayMs;
    });
    assert.deepEqual(delays, [100, 200, 400, 10_000, 10_000]);
  });
});

describe('A retry with other arguments and options', () => {
  it('carries what changes, in stored form', async () => {
    const request = retryRequest({
      countdown: 5,
      args: ['new'],
      priority: 3,
      headers: { b: 2 },
      tags: ['y'],
      shadow: 's',
      timeLimit: '1s',
      softTimeLimit: null,
      queue: 'far',
    });
    assert.deepEqual(await judge(params, request, call(), task()), {
      kind: 'retry',
      error: new Error('task asked to be run again'),
      delayMs: 5,
      change: {
        args: '["new"]',
        fields: { headers: { a: 1, b: 2 }, tags: ['x', 'y'], shadow: 's', soft: null, hard: 1000 },
        priority: 3,
        place: 'far',
      },
    });
  });

  it('stays where it is in its own queue, and goes into its lane in another one', async () => {
    const placeIn = async (queue: string, options = {}) => {
      const outcome = await judge(params, retryRequest({ queue }), call(), task(options));
      return outcome.kind === 'retry' ? outcome.change?.place : outcome;
    };
    assert.equal(await placeIn('q'), undefined);
    assert.equal(await placeIn('far', { rateLimit: '1/s' }), 'far~task');
  });

  it('fails with arguments that the task refuses', async () => {
    const outcome = await judge(params, retryRequest({ args: [5] }), call(), task({ args: [z.string()] }));
    assert(outcome.kind === 'failure' && outcome.error instanceof InvalidArgumentsError);
  });
});
