import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Launcher, type LauncherParams } from '#src/canvas/workflow/launch.js';
import type { Plan } from '#src/canvas/workflow/plan.js';
import { BrokerUnavailableError, DuplicateTaskError } from '#src/errors.js';
import { acceptanceRule } from '#src/options/acceptance.js';
import { Producer } from '#src/queue/producer.js';
import { clockAt, fakeEngine } from '../../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const plan: Plan = {
  v: 1,
  root: { kind: 'task', name: 'a', queue: 'q', args: [], fields: {} },
  sentAt: 0,
};
const away = () => new BrokerUnavailableError('away', { address: 'nowhere' });

/** A launcher over an engine whose first try of `method` is carried out, and its answer lost; of none by default. */
function losing(method?: 'create' | 'watch') {
  const fake = fakeEngine();
  const sent: string[] = [];
  let lost = 0;
  let confirmed = 0;
  const once = async (body: () => Promise<unknown>) => {
    const answer = await body();
    if (lost++ === 0) throw away();
    return answer;
  };
  const kept: string[] = [];
  const watched: number[] = [];
  const { flows } = fake.engine;
  const watch = async (_flow: string, at: number) => void watched.push(at);
  const real = { ...flows, watch }[method ?? 'create'] as (...args: unknown[]) => Promise<unknown>;
  const engine = {
    ...fake.engine,
    address: 'nowhere',
    isUnavailable: (error: unknown) => error instanceof BrokerUnavailableError,
    replication: {
      begin: async () => 'begun',
      confirm: async () => {
        confirmed++;
        return 'confirmed';
      },
    },
    addTogether: async (jobs: readonly { jobId: string }[]) => {
      sent.push(...jobs.map(({ jobId }) => jobId));
    },
    flows: {
      ...flows,
      watch,
      ...(method && { [method]: (...args: unknown[]) => once(() => real(...args)) }),
    },
  } as never;
  const launcher = new Launcher({
    engine,
    clock: clockAt(1000),
    producer: new Producer(engine, 60_000, acceptanceRule('written', true, 'nowhere')),
    plans: { keep: (flow: string) => void kept.push(flow) },
    index: { claimAll: (_ids: unknown, send: () => Promise<void>) => send() },
    sentWithinMs: 1000,
  } as unknown as LauncherParams);
  return { launcher, sent, kept, watched, confirmed: () => confirmed };
}

describe('A workflow that is sent', () => {
  for (const method of ['create', 'watch'] as const)
    it(`takes its own record for its own when the answer to its ${method} was lost`, async () => {
      const { launcher, sent } = losing(method);
      await launcher.deliver(FLOW, plan, 'new');
      assert.equal(sent.length, 1);
    });

  it('is kept in memory where its record was made, and not where the id is another’s', async () => {
    const { launcher, kept } = losing();
    await launcher.deliver(FLOW, plan, 'new');
    assert.deepEqual(kept, [FLOW]);
    const other: Plan = { ...plan, root: { ...plan.root, name: 'b' } as Plan['root'] };
    await assert.rejects(launcher.deliver(FLOW, other, 'new'), DuplicateTaskError);
    assert.deepEqual(kept, [FLOW]);
  });

  it('waits for a replica where its call wants one', async () => {
    const { launcher, confirmed } = losing();
    await launcher.deliver('flowflowflow-1', plan, 'new');
    assert.equal(confirmed(), 0);
    await launcher.deliver('flowflowflow-2', plan, 'new', 'replicated');
    assert.equal(confirmed(), 1);
  });

  it('is looked at when its first part expires, where that is before it should have been sent', async () => {
    const expiring = (expiresInMs: number): Plan => ({
      ...plan,
      root: { ...plan.root, expiresInMs } as Plan['root'],
    });
    const { launcher, watched } = losing();
    await launcher.deliver('flowflowflow-1', expiring(300), 'new');
    await launcher.deliver('flowflowflow-2', expiring(60_000), 'new');
    assert.deepEqual(watched, [1350, 2000]);
  });
});
