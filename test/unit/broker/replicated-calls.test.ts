import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IQueueBackend } from 'bullmq';
import { BrokerUnavailableError, Celeriac, OptionError } from 'celeriac';
import type { Engine, Replication } from '#src/broker/broker.js';
import { acceptanceRule, checkAcceptance } from '#src/options/acceptance.js';
import { type Envelope, Producer } from '#src/queue/producer.js';
import { pause, rejection } from '../../support/app.js';

/** A producer over a broker whose replicas answer as told. */
function producer(answers: Awaited<ReturnType<Replication['confirm']>>[], budgetMs = 5_000) {
  const added: string[][] = [];
  const confirmed: string[] = [];
  const backend = {
    addJob: async (_job: unknown, id: string) => void added.push([id]),
    addJobs: async (jobs: readonly { jobId: string }[]) => void added.push(jobs.map(({ jobId }) => jobId)),
  };
  const engine = {
    address: 'redis://x',
    // A broker that has written a task has answered.
    answers: () => added.length,
    hold: () => () => undefined,
    isUnavailable: (error: unknown) => error instanceof BrokerUnavailableError,
    backend: async () => backend as unknown as IQueueBackend,
    replication: {
      begin: async () => `before ${added.length}`,
      confirm: async (begun: string, timeoutMs: number) => {
        confirmed.push(begun);
        const answer = answers.shift() ?? 'confirmed';
        // A round of WAIT that has begun is heard out.
        if (answer === 'none') await pause(timeoutMs + 30);
        return answer;
      },
    },
  } as unknown as Engine;
  return { producer: new Producer(engine, budgetMs), added, confirmed };
}

const envelope = (taskId: string, replicated?: true): Envelope => ({
  taskId,
  jobId: taskId,
  queue: 'q',
  name: 'x',
  data: '{}',
  sentAt: 0,
  delayMs: 0,
  priority: 0,
  ...(replicated && { replicated }),
});

describe('A call that waits for a replica', () => {
  it('is accepted once one has it, and holds up no call beside it', async () => {
    const { producer: sending, added, confirmed } = producer(['confirmed']);
    await Promise.all([sending.send(envelope('a')), sending.send(envelope('b', true))]);
    assert.deepEqual(added, [['a'], ['b']]);
    assert.deepEqual(confirmed, ['before 0']);
    await sending.send(envelope('c'));
    assert.equal(confirmed.length, 1, 'a call that does not ask for it costs nothing more');
  });

  it('is made again where another server has become the master', async () => {
    const { producer: sending, added } = producer(['moved', 'confirmed']);
    await sending.send(envelope('a', true));
    assert.deepEqual(added, [['a'], ['a']]);
  });

  it('is refused with its id when none has it in time, though the broker itself answers', async () => {
    const { producer: sending } = producer(Array(20).fill('none'), 100);
    const error = await rejection(sending.send(envelope('a', true)));
    assert(error instanceof BrokerUnavailableError, String(error));
    assert.equal(error.taskId, 'a');
    assert.match(
      error.message,
      /No replica of the broker at redis:\/\/x .*may or may not have been accepted/,
    );
  });
});

describe("acceptance: 'replicated'", () => {
  it('is refused where the broker has no replicas to wait for: by the app, and by the call', () => {
    for (const broker of ['memory://x', 'postgres://h/db'])
      assert.throws(
        () => new Celeriac('x', { broker, acceptance: 'replicated' }),
        (error) => error instanceof OptionError && /replica of a Redis broker/.test(error.message),
      );
    const rule = acceptanceRule('written', false, 'postgres://h/db');
    assert.throws(() => rule('replicated'), OptionError);
    assert.throws(() => checkAcceptance('all', 'here'), /here: acceptance must be 'written' or 'replicated'/);
  });

  it('is the app’s unless the call says otherwise', () => {
    const rule = acceptanceRule('replicated', true, 'redis://x');
    assert.deepEqual([rule(undefined), rule('written'), rule('replicated')], [true, false, true]);
    assert.equal(acceptanceRule('written', false, 'memory://')(undefined), false);
  });

  it('means nothing where tasks run here and now', async () => {
    const app = new Celeriac('x', { broker: 'memory://x', acceptance: 'replicated', taskAlwaysEager: true });
    assert.equal(await (await app.task('x', () => 1).delay()).get(), 1);
    await app.close();
  });
});
