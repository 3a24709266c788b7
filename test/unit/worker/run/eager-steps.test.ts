/** Steps of tasks that run in their caller's process, and of methods that are called directly. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, StepError, Task, TaskService } from 'celeriac';

class Orders extends TaskService {
  charged = 0;

  @Task('order', { maxRetries: 2 })
  async order(timeout?: string): Promise<unknown> {
    const charge = await this.step('charge', ({ key }) => ({ key, count: ++this.charged }));
    await this.sleep('cool down', '2h');
    const answer = await this.waitFor('approval', timeout === undefined ? {} : { timeout }).catch(
      (error: Error) => error.name,
    );
    if (this.request.retries < 2) this.retry();
    return [charge.count, answer];
  }
}

const setUp = () => {
  const service = new Orders();
  return { service, handles: new Celeriac('eager', { broker: 'redis://127.0.0.1:1' }).register(service) };
};

describe('Steps without a worker', () => {
  it('are kept over the attempts of an eager call; sleeps are passed, and waits time out at once', async () => {
    const { service, handles } = setUp();
    const result = await handles.order.apply(['1d']);
    assert.deepEqual(await result.get(), [1, 'WaitTimeoutError']);
    assert.equal(service.charged, 1);
    const { steps } = await result.snapshot();
    assert.deepEqual(
      steps.map(({ name, kind, doneAt }) => [name, kind, doneAt !== undefined]),
      [
        ['charge', 'step', true],
        ['cool down', 'sleep', true],
        ['approval', 'wait', true],
      ],
    );
    assert.equal((await result.send('approval', 1)).accepted, false);
  });

  it('fail a wait that nothing could end', async () => {
    const { handles } = setUp();
    assert.deepEqual(await (await handles.order.apply([])).get(), [1, 'StepError']);
  });

  it('run a step of a direct call, and refuse to sleep there', async () => {
    const { service } = setUp();
    await assert.rejects(
      service.order(),
      (error: Error) => error instanceof StepError && error.step === 'cool down',
    );
    assert.equal(service.charged, 1);
  });
});
