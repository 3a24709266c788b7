import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WorkerLostError } from '#src/errors.js';
import { Task, TaskService } from '#src/index.js';
import { ErrorClasses } from '#src/protocol/wire-error.js';
import type { Delivery } from '#src/queue/delivery.js';
import { Registry } from '#src/tasks/registry.js';
import { Serializers } from '#src/tasks/serializers.js';
import { WireCodec } from '#src/tasks/wire-codec.js';
import { Executor } from '#src/worker/run/execute.js';
import type { ExecutorParams } from '#src/worker/run/executor-params.js';

const NOW = 1_000_000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

class Shop extends TaskService {
  readonly heard: unknown[][] = [];
  ran = 0;

  @Task('buy')
  buy(what: string): string {
    this.ran++;
    return what;
  }

  @Task('once', { acksLate: false })
  once(): void {
    this.ran++;
  }

  onFailure(error: unknown, taskId: string, args: readonly unknown[]): void {
    this.heard.push(['onFailure', (error as Error).name, taskId, args, this.request.id]);
  }

  afterReturn(state: string): void {
    this.heard.push(['afterReturn', state]);
  }
}

function executor(change: Partial<ExecutorParams> = {}) {
  const errors = new ErrorClasses();
  const registry = new Registry({}, errors);
  const shop = new Shop();
  registry.addService(shop);
  const made = new Executor({
    registry,
    errors,
    clock: { now: () => NOW } as never,
    codec: new WireCodec(new Serializers()),
    middleware: [],
    timezone: 'UTC',
    host: { node: 'node@here', app: {} as never, stopping: false, logger: silent },
    ...change,
  });
  return { executor: made, shop };
}

function delivery(change: Partial<Omit<Delivery, 'message'>> & { readonly message?: object } = {}): Delivery {
  return {
    taskId: 'id',
    jobId: 'id',
    name: 'buy',
    queue: 'celeriac',
    ref: { queue: 'celeriac', id: 'id' },
    retries: 0,
    deliveries: 1,
    stalls: 0,
    priority: 0,
    sentAt: NOW,
    afterwards: () => undefined,
    ...change,
    message: { v: 1, args: ['book'], ...change.message },
  } as unknown as Delivery;
}

describe('The hooks of a task that got no further', () => {
  it('hear that its worker was lost', async () => {
    const { executor: made, shop } = executor();
    const { outcome, hooks } = await made.execute(
      delivery({ name: 'once', stalls: 1, message: { args: [] } }),
    );
    assert(outcome.kind === 'failure' && outcome.error instanceof WorkerLostError);
    await hooks?.run(outcome);
    assert.deepEqual(shop.heard, [
      ['onFailure', 'WorkerLostError', 'id', [], 'id'],
      ['afterReturn', 'FAILURE'],
    ]);
    assert.equal(shop.ran, 0);
  });

  it('hear of arguments that cannot be read', async () => {
    const { executor: made, shop } = executor();
    const { outcome, hooks } = await made.execute(delivery({ message: { args: 'unreadable' } }));
    assert(outcome.kind === 'failure');
    await hooks?.run(outcome);
    assert.deepEqual(shop.heard[0]?.slice(0, 4), ['onFailure', 'NotSerializableError', 'id', []]);
  });

  it('are not there for a task that was revoked', async () => {
    const { executor: made } = executor();
    const { outcome, hooks } = await made.execute(delivery({ message: { revoked: {} } }));
    assert.equal(outcome.kind, 'revoked');
    assert.equal(hooks, undefined);
  });
});

describe('A task that has expired', () => {
  const expired = { expires: NOW - 1 };

  it('is not started', async () => {
    const { executor: made, shop } = executor();
    const { outcome } = await made.execute(delivery({ message: expired }));
    assert.deepEqual([outcome.kind, shop.ran], ['revoked', 0]);
  });

  it('goes on where it has begun: between retries, after a worker that died, after one that handed it back', async () => {
    for (const begun of [{ retries: 1 }, { stalls: 1, deliveries: 2 }, { deliveries: 2 }]) {
      const { executor: made, shop } = executor();
      const { outcome } = await made.execute(delivery({ ...begun, message: expired }));
      assert.deepEqual([outcome.kind, shop.ran], ['success', 1]);
    }
  });
});
