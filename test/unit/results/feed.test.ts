import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { AppClosedError } from 'celeriac';
import type { Engine, JobRef, NoticeListener } from '#src/broker/broker.js';
import type { TaskRecord } from '#src/coordination/task-record.js';
import { type Awaited, Feed } from '#src/results/feed.js';
import { rejection } from '../../support/app.js';
import { clockAt, waitingJob } from '../../support/fake-engine.js';

const NOW = 2_000;
const REF: JobRef = { queue: 'q', id: 'a' };

/** An app's feed; jobs, notices and time are the test's. */
function feed(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const jobs = new Map<string, TaskRecord>();
  const listeners = new Map<string, Set<NoticeListener>>();
  const reads: string[][] = [];
  const trouble = { reading: undefined as Error | undefined, listening: undefined as Error | undefined };
  let held = 0;
  let gap: () => void = () => undefined;
  const engine = {
    hold: () => {
      held++;
      return () => held--;
    },
    isUnavailable: (error: Error) => error.message === 'away',
    wasThere: () => false,
    signals: {
      subscribe: async (topic: string, listener: NoticeListener) => {
        if (trouble.listening !== undefined) throw trouble.listening;
        listeners.set(topic, (listeners.get(topic) ?? new Set()).add(listener));
      },
      unsubscribe: (topic: string, listener: NoticeListener) => void listeners.get(topic)?.delete(listener),
      onGap: (heard: () => void) => {
        gap = heard;
      },
    },
  } as unknown as Engine;
  const look = (refs: readonly JobRef[]) => {
    if (trouble.reading !== undefined) throw trouble.reading;
    return refs.map(({ id }) => jobs.get(id));
  };
  const tasks = {
    read: async (refs: readonly JobRef[]) => {
      reads.push(refs.map(({ id }) => id));
      return look(refs);
    },
    ended: async (refs: readonly JobRef[]) => look(refs).map((job) => job?.doneAt !== undefined),
  };
  const one = new Feed(engine, tasks, clockAt(NOW));
  const wait = (more: Partial<Awaited> = {}) =>
    one.until({ ref: REF, accept: (job) => job?.doneAt !== undefined, wakeAt: () => undefined, ...more });
  return {
    feed: one,
    jobs,
    reads,
    trouble,
    wait,
    held: () => held,
    listening: (topic = 'a') => listeners.get(topic)?.size ?? 0,
    end: (id = 'a') => jobs.set(id, waitingJob(id, { doneAt: 1_500, returnvalue: '1' })),
    tell: (ended?: string) => {
      for (const listener of listeners.get('a') ?? []) listener(ended);
    },
    gap: () => gap(),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    async passes(ms: number) {
      t.mock.timers.tick(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('A wait for a task', () => {
  it('sees what has ended before, by one look once it listens', async (t) => {
    const { wait, end, reads, held, listening } = feed(t);
    end();
    assert.ok('job' in (await wait()));
    assert.deepEqual([reads, held(), listening()], [[['a']], 0, 0]);
  });

  it('ends by the notice: with the value that came with it, or by a look', async (t) => {
    const told = feed(t);
    const waits = [told.wait(), told.wait()];
    await told.turn();
    const { length } = told.reads;
    assert.equal(told.held(), 1, 'one hold for all');
    told.tell('7');
    assert.deepEqual(await Promise.all(waits), [{ ended: '7' }, { ended: '7' }]);
    assert.equal(told.reads.length, length, 'nothing was looked up');
    const looked = told.wait();
    await told.turn();
    told.end();
    told.tell();
    assert.ok('job' in (await looked));
  });

  it('looks again a little later when the notice was before its write', async (t) => {
    const { wait, tell, end, turn, passes, jobs } = feed(t);
    jobs.set('a', waitingJob('a'));
    const waiting = wait();
    await turn();
    tell();
    await turn();
    end();
    await passes(10);
    assert.ok('job' in (await waiting));
  });

  it('does not look before it is told, where it is sure to be told', async (t) => {
    const { wait, turn, reads, tell } = feed(t);
    const waiting = wait({ surelyUnnotified: true });
    await turn();
    assert.deepEqual(reads, []);
    tell('1');
    await waiting;
  });

  it('finds at a sweep what no notice told, and after a gap at once', async (t) => {
    const swept = feed(t);
    const waiting = swept.wait();
    await swept.turn();
    swept.end();
    await swept.passes(2_000);
    assert.ok('job' in (await waiting));
    swept.jobs.clear();
    const again = swept.wait();
    await swept.turn();
    swept.end();
    swept.gap();
    assert.ok('job' in (await again));
  });

  it('wakes by itself when the task changes without a write', async (t) => {
    const { wait, turn, passes, jobs } = feed(t);
    jobs.set('a', waitingJob('a'));
    let expired = false;
    const waiting = wait({ accept: () => expired, wakeAt: () => NOW + 700 });
    await turn();
    expired = true;
    await passes(700);
    assert.ok('job' in (await waiting));
  });

  it('ends with its limit, its signal and its app, whichever is first, and lets go', async (t) => {
    const { feed: one, wait, turn, passes, held, listening } = feed(t);
    const controller = new AbortController();
    const late = new Error('late');
    const waits = [
      wait({ limit: { ms: 100, error: () => late } }),
      wait({ signal: controller.signal }),
      wait(),
    ].map(rejection);
    await turn();
    await passes(100);
    controller.abort(new Error('enough'));
    one.close();
    const errors = await Promise.all(waits);
    assert.deepEqual(errors.map(({ message }) => message).slice(0, 2), ['late', 'enough']);
    assert.ok(errors[2] instanceof AppClosedError);
    assert.deepEqual([held(), listening()], [0, 0]);
    assert.ok((await rejection(wait())) instanceof AppClosedError);
  });

  it('outlasts a broker that was there and is away; one that was never there is an error', async (t) => {
    const { wait, trouble, turn, passes, tell, end } = feed(t);
    trouble.listening = new Error('away');
    assert.equal((await rejection(wait())).message, 'away');
    trouble.listening = undefined;
    const waiting = wait();
    await turn();
    trouble.reading = new Error('away');
    tell();
    await turn();
    trouble.reading = undefined;
    end();
    await passes(2_000);
    assert.ok('job' in (await waiting));
  });
});

describe('Reads of one turn', () => {
  it('share a request, each task once in it', async (t) => {
    const { feed: one, reads, end } = feed(t);
    end('b');
    const found = await Promise.all(['a', 'b', 'a'].map((id) => one.read({ queue: 'q', id })));
    assert.deepEqual(reads, [['a', 'b']]);
    assert.deepEqual(
      found.map((job) => job?.id),
      [undefined, 'b', undefined],
    );
  });
});
