import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailableError } from 'celeriac';
import type { RateDecision } from '#src/coordination/rate-limits.js';
import { laneOf } from '#src/protocol/lanes.js';
import type { Message } from '#src/protocol/message.js';
import type { Delivery } from '#src/queue/delivery.js';
import type { RegisteredTask } from '#src/tasks/registry.js';
import { Limits } from '#src/worker/queues/limits.js';
import { clockAt, waitingJob } from '../../../support/fake-engine.js';
import { FakePlaces } from '../../../support/fake-places.js';
import { FakeRecords } from '../../../support/fake-records.js';

interface Fields {
  readonly lane?: boolean;
  readonly rateLimit?: object;
  readonly concurrency?: { readonly limit: number; readonly key?: (args: readonly unknown[]) => string };
}

const task = (name: string, { lane = false, ...run }: Fields = {}) =>
  ({ name, lane, run }) as unknown as RegisteredTask;

/** A worker that knows these tasks, and the broker it asks. */
function limits(...tasks: RegisteredTask[]) {
  const places = new FakePlaces();
  const notified: string[] = [];
  const declared: string[] = [];
  const jobs = new Set<string>();
  const broker = { recorded: new Set<string>(), permit: { granted: true } as RateDecision, asked: 0 };
  const engine = {
    places,
    records: new FakeRecords(),
    backend: async () => ({ promote: async () => undefined }),
    signals: {
      notify: (topic: string) => notified.push(topic),
      subscribe: async () => undefined,
      unsubscribe: () => undefined,
    },
  };
  const one = new Limits({
    engine: engine as never,
    tasks: {
      read: async (refs) => {
        broker.asked++;
        return refs.map(({ queue, id }) =>
          jobs.has(`${queue}/${id}`) ? waitingJob(id, { queue }) : undefined,
        );
      },
    },
    clock: clockAt(1_000),
    registry: {
      all: () => tasks,
      get: (name: string) => tasks.find((other) => other.name === name),
    } as never,
    rates: {
      recorded: async (names: readonly string[]) => names.map((name) => broker.recorded.has(name)),
      declare: async (name: string) => void declared.push(name),
      take: async () => broker.permit,
    } as never,
    lockDurationMs: 1_000,
    logger: {} as never,
  });
  return { limits: one, places, notified, declared, jobs, broker };
}

/** A delivery, and what is to be done when its outcome is written. */
function delivery(
  id: string,
  {
    message = { v: 1, args: [] } as unknown as Message,
    queue = 'q',
    ...more
  }: Partial<Delivery> & { queue?: string } = {},
) {
  const afterwards: (() => Promise<void>)[] = [];
  const turn = { spent: [] as string[] };
  const told = (what: string) => async () => void turn.spent.push(what);
  return {
    jobId: id,
    ref: { queue, id },
    message,
    hasParent: false,
    turn: { used: told('used'), unused: told('unused') },
    afterwards: (body: () => Promise<void>) => void afterwards.push(body),
    ...more,
    left: async () => {
      for (const body of afterwards) await body();
    },
    turnOf: turn,
  } as unknown as Delivery & { left(): Promise<void>; turnOf: { spent: string[] } };
}

describe('A task without limits', () => {
  it('is let in at once, and asks nobody', () => {
    const { limits: one } = limits();
    assert.equal(one.admit(delivery('a'), task('plain'), []), undefined);
  });
});

describe('A task with lanes', () => {
  it('is one whose options say so, or that once had one', async () => {
    const {
      limits: one,
      broker,
      declared,
    } = limits(task('rated', { lane: true }), task('was'), task('plain'));
    broker.recorded.add('was');
    await one.learn();
    assert.deepEqual(
      [one.laned, declared],
      [
        ['rated', 'was'],
        ['rated', 'was'],
      ],
    );
    assert.deepEqual([await one.add('was'), await one.add('plain')], [false, true]);
  });

  it('is moved from its queue to its lane, and runs there', async () => {
    const mail = task('mail', { lane: true });
    const { limits: one } = limits(mail);
    await one.learn();
    const lane = laneOf('q', 'mail');
    assert.deepEqual(await one.admit(delivery('a'), mail, []), { kind: 'move', lane });
    const there = delivery('a', { queue: lane });
    assert.equal(await one.admit(there, mail, []), undefined);
    assert.deepEqual(there.turnOf.spent, ['used']);
  });

  it('stays where it is when a parent job knows it by its place, and takes a turn there', async () => {
    const mail = task('mail', { lane: true });
    const { limits: one, broker } = limits(mail);
    await one.learn();
    const child = () => delivery('a', { hasParent: true });
    assert.equal(await one.admit(child(), mail, []), undefined);
    broker.permit = { granted: false, waitMs: 400 };
    const held = await one.admit(child(), mail, []);
    assert.ok(held?.kind === 'later' && held.delayMs >= 400);
  });

  it('that was moved waits until it is gone from where it was', async () => {
    const mail = task('mail', { lane: true });
    const { limits: one, jobs } = limits(mail);
    await one.learn();
    const moved = () => delivery('a', { queue: laneOf('q', 'mail'), message: { from: 'q' } as Message });
    jobs.add('q/a');
    assert.deepEqual(await one.admit(moved(), mail, []), { kind: 'later', delayMs: 1_000 });
    jobs.clear();
    assert.equal(await one.admit(moved(), mail, []), undefined);
    const odd = delivery('a', { message: { from: 'q' } as Message, hasParent: true });
    jobs.add('q/a');
    assert.equal(await one.admit(odd, mail, []), undefined, 'a message that says it comes from here');
  });
});

describe('A tick of a schedule', () => {
  it('runs once, whatever adds it again', async () => {
    const { limits: one } = limits();
    const tick = (addition: string) => delivery('tick', { message: { tick: addition } as Message });
    assert.equal(await one.admit(tick('first'), task('plain'), []), undefined);
    assert.deepEqual(await one.admit(tick('second'), task('plain'), []), { kind: 'ignore' });
    assert.equal(await one.admit(tick('first'), task('plain'), []), undefined, 'its own retry runs');
  });
});

describe('A task with a limit of its own', () => {
  const keyed = task('visit', { concurrency: { limit: 1, key: ([room]) => String(room) } });
  const plain = task('visit', { concurrency: { limit: 1 } });

  it('holds a place until it has left, and the next is listed for it', async () => {
    const { limits: one, places } = limits(keyed);
    const first = delivery('a');
    assert.equal(await one.admit(first, keyed, ['x']), undefined);
    const second = delivery('b');
    assert.deepEqual(await one.admit(second, keyed, ['x']), { kind: 'later', delayMs: 1_200 });
    assert.deepEqual(second.turnOf.spent, ['unused']);
    assert.equal(await one.admit(delivery('c'), keyed, ['y']), undefined, 'another key');
    await first.left();
    assert.deepEqual(places.held('["visit","x"]'), ['b']);
  });

  it('that waits in a lane asks again, later each time, and says when a place is free', async () => {
    const { limits: one, notified } = limits(plain);
    const first = delivery('a');
    await one.admit(first, plain, []);
    const delays: number[] = [];
    for (let n = 0; n < 8; n++) {
      const held = await one.admit(delivery('b'), plain, []);
      if (held?.kind === 'later') delays.push(held.delayMs);
    }
    for (const [n, delay] of delays.entries()) assert.ok(delay >= 250 * 2 ** Math.min(n, 5), `${delays}`);
    assert.ok(Math.max(...delays) <= 250 * 2 ** 6, `${delays}`);
    await first.left();
    assert.equal(notified.length, 1);
  });

  it('fails when its key cannot be made, and waits for a broker that is away', async () => {
    const error = new Error('no key');
    const wrong = task('wrong', {
      concurrency: {
        limit: 1,
        key: () => {
          throw error;
        },
      },
    });
    const { limits: one, places } = limits(wrong, plain);
    assert.deepEqual(await one.admit(delivery('a'), wrong, []), { kind: 'failure', error });
    places.enter = () => Promise.reject(new BrokerUnavailableError('gone', { address: 'x' }));
    assert.deepEqual(await one.admit(delivery('a'), plain, []), { kind: 'later', delayMs: 1_000 });
    places.enter = () => Promise.reject(error);
    assert.deepEqual(await one.admit(delivery('a'), plain, []), { kind: 'failure', error });
  });
});
