import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Producer } from '#src/broker/producer.js';
import { Launcher, type LauncherParams } from '#src/canvas/launch.js';
import type { Plan } from '#src/canvas/plan.js';
import { BrokerUnavailableError } from '#src/errors.js';
import { clockAt, fakeEngine } from '../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const plan: Plan = {
  v: 1,
  root: { kind: 'task', name: 'a', queue: 'q', args: [], fields: {} },
  sentAt: 0,
};
const away = () => new BrokerUnavailableError('away', { address: 'nowhere' });

/** A launcher over an engine whose first try of `method` is carried out, and its answer lost. */
function losing(method: 'create' | 'watch') {
  const fake = fakeEngine();
  const sent: string[] = [];
  let lost = 0;
  const once = async (body: () => Promise<unknown>) => {
    const answer = await body();
    if (lost++ === 0) throw away();
    return answer;
  };
  const { flows } = fake.engine;
  const real = flows[method].bind(flows) as (...args: unknown[]) => Promise<unknown>;
  const engine = {
    ...fake.engine,
    address: 'nowhere',
    isUnavailable: (error: unknown) => error instanceof BrokerUnavailableError,
    addTogether: async (jobs: readonly { jobId: string }[]) => {
      sent.push(...jobs.map(({ jobId }) => jobId));
    },
    flows: { ...flows, [method]: (...args: unknown[]) => once(() => real(...args)) },
  } as never;
  const launcher = new Launcher({
    engine,
    clock: clockAt(1000),
    producer: new Producer(engine, 60_000),
    plans: { keep: () => undefined },
    index: { claimAll: (_ids: unknown, send: () => Promise<void>) => send() },
    sentWithinMs: 1000,
  } as unknown as LauncherParams);
  return { launcher, sent };
}

describe('A workflow that is sent', () => {
  for (const method of ['create', 'watch'] as const)
    it(`takes its own record for its own when the answer to its ${method} was lost`, async () => {
      const { launcher, sent } = losing(method);
      await launcher.deliver(FLOW, plan, 'new');
      assert.equal(sent.length, 1);
    });
});
