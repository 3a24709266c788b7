/** `celeriac send` and `failed retry --fresh`, from a second terminal without any code of the app's. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac } from 'celeriac';
import { until } from '../support/app.js';
import { terminals } from '../support/cli-terminals.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.close());

/** A worker of this process, and terminals beside it. */
async function setUp(t: TestContext) {
  const { run, prefix } = terminals(t, redis.url);
  const app = new Celeriac('orders', { broker: redis.url, prefix });
  t.after(() => app.close());
  let charged = 0;
  const order = app.task('order', async function () {
    const count = await this.step('charge', () => ++charged);
    const by = await this.waitFor<{ by: string } | undefined>('approval');
    if (by === undefined) throw new RangeError('nobody');
    return `${count} ${by.by}`;
  });
  await app.worker().start();
  return { run, order };
}

describe('celeriac send', () => {
  it('answers a task that waits, once', async (t) => {
    const { run, order } = await setUp(t);
    const result = await order.delay();
    await until(async () => (await result.status) === 'WAITING', 'the wait');
    const shown = await run('result', result.id);
    assert.match(shown.stdout, /state +WAITING/);
    assert.match(
      shown.stdout,
      /steps +step "charge", began .*, done .*\n +wait "approval", began .*, not over/,
    );
    const wrong = await run('send', result.id, 'approval', '--value', '{by: ada}');
    assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
    assert.match(wrong.stderr, /--value: .* is not JSON/);
    const sent = await run('send', result.id, 'approval', '--value', '{"by":"ada"}');
    assert.deepEqual([sent.code, sent.stdout], [0, `${result.id}: accepted\n`]);
    assert.equal(await result.get({ timeout: '20s' }), '1 ada');
    const late = await run('send', result.id, 'approval', '--value', '1', '--json');
    assert.equal(late.code, 1);
    assert.deepEqual(JSON.parse(late.stdout), { accepted: false, why: 'the task has ended: SUCCESS' });
  });

  it('starts over with failed retry --fresh', async (t) => {
    const { run, order } = await setUp(t);
    const result = await order.delay();
    assert.equal((await run('send', result.id, 'approval')).code, 0);
    await result.get({ propagate: false, timeout: '20s' });
    const retried = await run('failed', 'retry', result.id, '--fresh');
    assert.equal(retried.code, 0, retried.stderr);
    await until(async () => (await result.status) === 'WAITING', 'the wait');
    assert.equal((await run('send', result.id, 'approval', '--value', '{"by":"eve"}')).code, 0);
    assert.equal(await result.get({ timeout: '20s' }), '2 eve');
  });
});
