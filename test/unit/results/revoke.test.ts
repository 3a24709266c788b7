import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readMessage } from '#src/protocol/message.js';
import { forgetTask } from '#src/results/forget.js';
import { revokeTask } from '#src/results/revoke.js';
import { clockAt, fakeEngine, waitingJob } from '../../support/fake-engine.js';

const REF = { queue: 'q', id: 'job' };
const CLOCK = clockAt(2000);
const nobody = async () => undefined;

function broker() {
  const fake = fakeEngine();
  fake.broker.jobs.set('job', waitingJob('job', { data: JSON.stringify({ v: 1, args: [1] }) }));
  const message = () => readMessage(fake.broker.jobs.get('job')?.data ?? '');
  const revoke = (reason: string) => revokeTask({ ...fake, clock: CLOCK }, REF, { reason }, nobody);
  return { fake, message, revoke };
}

describe('Revoking and forgetting one task at a time', () => {
  it('keep what the other wrote, in whatever order they meet', async () => {
    for (let turn = 0; turn < 3; turn++) {
      const { fake, message, revoke } = broker();
      let steps = 0;
      let forgetting: Promise<void> | undefined;
      fake.before = () => {
        if (steps++ === turn) forgetting = forgetTask(fake, REF, nobody);
      };
      await revoke('enough');
      assert.ok(forgetting !== undefined);
      await forgetting;
      assert.deepEqual(
        [message().revoked, message().forgotten],
        [{ reason: 'enough' }, true],
        `turn ${turn}`,
      );
      assert.deepEqual(message().args, [1]);
    }
  });

  it('leave the first reason standing', async () => {
    const { fake, message, revoke } = broker();
    const replies = await Promise.all([revoke('first'), revoke('second')]);
    const [state] = replies.map(({ was }) => was).sort();
    assert.equal(state, 'PENDING');
    const { reason } = message().revoked ?? {};
    assert.deepEqual(await revoke('third'), { found: true, was: 'REVOKED' });
    assert.equal(message().revoked?.reason, reason);
    assert.ok((fake.calls.get('amendData') ?? 0) <= 4);
  });

  it('leave the first reason standing of a task that runs on, too', async () => {
    const { fake, message, revoke } = broker();
    fake.broker.change('job', { running: true, deliveries: 1 });
    await revoke('first');
    assert.deepEqual(await revoke('second'), { found: true, was: 'STARTED' });
    assert.equal(message().revoked?.reason, 'first');
  });

  it('write nothing over what another program wrote', async () => {
    const { fake, message, revoke } = broker();
    fake.before = (method) => {
      if (method !== 'amendData') return;
      fake.before = () => undefined;
      fake.broker.change('job', { data: JSON.stringify({ v: 1, args: [2], headers: { from: 'afar' } }) });
    };
    await revoke('enough');
    assert.deepEqual(
      [message().args, message().headers, message().revoked],
      [[2], { from: 'afar' }, { reason: 'enough' }],
    );
  });

  it('mark as started what was fetched before it was revoked, and goes on', async () => {
    const { fake, message, revoke } = broker();
    fake.before = (method) => {
      if (method === 'amendData') fake.broker.change('job', { running: true, deliveries: 1 });
    };
    assert.deepEqual(await revoke('enough'), { found: true, was: 'STARTED' });
    assert.deepEqual(message().revoked, { reason: 'enough', started: true, delivery: 1 });
  });

  it('give up on a job that is somebody else’s at each look', async () => {
    const { fake, revoke } = broker();
    let n = 0;
    fake.before = (method) => {
      if (method === 'amendData') fake.broker.change('job', { data: JSON.stringify({ v: 1, args: [n++] }) });
    };
    assert.deepEqual(await revoke('enough'), { found: false, was: undefined });
  });
});

describe('Forgetting', () => {
  it('keeps the record of a task that runs, and has its worker drop it', async () => {
    const { fake, message } = broker();
    fake.broker.change('job', { running: true });
    const told: string[] = [];
    await forgetTask(fake, REF, async (ids) => void told.push(...ids));
    assert.deepEqual(told, ['job']);
    assert.equal(message().forgotten, true);
    assert.equal(fake.broker.jobs.has('job'), true);
  });

  it('drops what ended while its worker was asked', async () => {
    const { fake } = broker();
    fake.broker.change('job', { running: true });
    await forgetTask(fake, REF, async () => fake.broker.change('job', { running: false, doneAt: 5 }));
    assert.equal(fake.broker.jobs.has('job'), false);
  });
});
