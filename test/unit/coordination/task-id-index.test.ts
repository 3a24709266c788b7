import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskIdIndex } from '#src/coordination/task-id-index.js';
import { DuplicateTaskError } from '#src/errors.js';
import { clockAt, fakeEngine, waitingJob } from '../../support/fake-engine.js';

const claims = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ id: `own-${i}`, queue: 'q', jobId: `flowflowflow-0.0.${i}@q` }));

/** An index, and in how many rounds it asked the broker. */
function index() {
  const fake = fakeEngine();
  let rounds = 0;
  let counted = false;
  fake.before = () => {
    if (counted) return;
    counted = true;
    rounds++;
    setImmediate(() =>
      setImmediate(() => {
        counted = false;
      }),
    );
  };
  return { ...fake, ids: new TaskIdIndex(fake.engine, fake.tasks, clockAt(0), 1000), rounds: () => rounds };
}

describe('The ids of many tasks', () => {
  it('are taken and let go side by side', async () => {
    const { ids, broker, rounds } = index();
    let sent = 0;
    await ids.claimAll(claims(400), async () => void sent++);
    assert.deepEqual([sent, broker.records.size], [1, 400]);
    const taking = rounds();
    assert.ok(taking <= 10, `${taking} rounds`);
    await ids.expireAll(
      claims(400).map(({ id }) => id),
      1000,
    );
    assert.ok(rounds() - taking <= 10);
  });

  it('are sent nothing of where one is taken, or given twice', async () => {
    const { ids, broker } = index();
    const send = async () => assert.fail('sent');
    const [first, second] = claims(2);
    assert.ok(first !== undefined && second !== undefined);
    broker.records.set('id:own-1', {
      value: JSON.stringify({ queue: 'q', job: 'other', owner: 'x', at: 0 }),
      version: 1,
    });
    broker.jobs.set('other', waitingJob('other'));
    await assert.rejects(ids.claimAll([first, second], send), DuplicateTaskError);
    await assert.rejects(ids.claimAll([first, { ...first, jobId: 'b' }], send), DuplicateTaskError);
    let sent = 0;
    await ids.claimAll([first, { ...first, id: 'own-7', jobId: 'c' }], async () => void sent++);
    assert.equal(sent, 1, 'and they are free for who tries again');
  });
});
