import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import type { AppEvent, FleetEvent } from 'celeriac';
import type { Run } from '#src/web/api.js';
import { Memo } from '#src/web/views/memo.js';
import { EventStreams } from '#src/web/watch/event-streams.js';
import { FleetWatch } from '#src/web/watch/fleet-watch.js';
import { Statistics } from '#src/web/watch/statistics.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** An app whose events come from the test. */
function fakeApp() {
  const listeners = new Set<(event: FleetEvent) => void>();
  let opened = 0;
  return {
    get opened() {
      return opened;
    },
    get open() {
      return listeners.size;
    },
    emit: (event: FleetEvent) => {
      for (const listener of listeners) listener(event);
    },
    app: {
      events: ({ signal }: { signal?: AbortSignal } = {}) => {
        opened++;
        return (async function* () {
          const queue: FleetEvent[] = [];
          let wake: () => void = () => undefined;
          const listener = (event: FleetEvent) => {
            queue.push(event);
            wake();
          };
          listeners.add(listener);
          signal?.addEventListener('abort', () => wake());
          try {
            while (!signal?.aborted) {
              const event = queue.shift();
              if (event !== undefined) yield event;
              else
                await new Promise<void>((resolve) => {
                  wake = resolve;
                });
            }
          } finally {
            listeners.delete(listener);
          }
        })();
      },
    },
  };
}

const task = { id: 'x', name: 'add', queue: 'q', node: 'one', pid: 1, retries: 0 };

function watchOf(fake: ReturnType<typeof fakeApp>, always = false) {
  return new FleetWatch({
    app: fake.app as never,
    always,
    points: 10,
    onPoints: () => undefined,
    onError: (error) => assert.fail(String(error)),
    now: () => Date.now(),
  });
}

describe('The listener of the page', () => {
  it('is one for all who look, and ends ten seconds after the last has left', async (t) => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
    t.after(() => mock.timers.reset());
    const fake = fakeApp();
    const watch = watchOf(fake);
    assert.equal(watch.listening, false);
    const onlooker = { event: () => undefined, second: () => undefined };
    const leave = Array.from({ length: 10 }, () => watch.look({ ...onlooker }));
    assert.deepEqual([watch.listening, fake.opened], [true, 1]);
    for (const one of leave) one();
    mock.timers.tick(9_999);
    assert.equal(watch.listening, true);
    // Somebody who reloads comes back.
    const back = watch.look({ ...onlooker });
    mock.timers.tick(60_000);
    assert.deepEqual([watch.listening, fake.opened], [true, 1]);
    back();
    back();
    mock.timers.tick(10_000);
    assert.equal(watch.listening, false);
    await turn();
    assert.equal(fake.open, 0);
    watch.look({ ...onlooker })();
    assert.equal(fake.opened, 2);
    watch.close();
  });

  it('listens all the time where a history is kept, and never after its end', async () => {
    const fake = fakeApp();
    const watch = watchOf(fake, true);
    assert.equal(fake.opened, 1);
    watch.look({ event: () => undefined, second: () => undefined })();
    assert.equal(watch.listening, true);
    watch.close();
    watch.look({ event: () => undefined, second: () => undefined });
    await turn();
    assert.deepEqual([watch.listening, fake.open, fake.opened], [false, 0, 1]);
  });
});

describe('Statistics', () => {
  const event = (type: string, more: object = {}) => ({ type, timestamp: 0, ...task, ...more }) as AppEvent;

  it('count by point, by task and by queue', () => {
    const statistics = new Statistics(100_000, 4);
    statistics.take(event('task-sent'), 100_000);
    statistics.take(event('task-received', { sentAt: 99_000, timestamp: 99_500, deliveries: 1 }), 100_100);
    statistics.take(event('task-started'), 100_100);
    statistics.take(event('task-failed', { runtime: 10, exception: 'RangeError: no: never' }), 100_200);
    statistics.take(event('task-succeeded', { runtime: 30 }), 100_300);
    statistics.take({ type: 'worker-offline', timestamp: 0 } as AppEvent, 100_300);
    assert.deepEqual(statistics.rates(101_000), { sent: 1, started: 1, succeeded: 1, failed: 1, retried: 0 });
    assert.deepEqual(statistics.queue('q', 101_000), { rate: 2, latency: 500 });
    const figures = statistics.task('add');
    assert.deepEqual([figures?.failureRate, figures?.p50, figures?.p95], [0.5, 30, 30]);
    assert.deepEqual(figures?.lastError, {
      name: 'RangeError',
      message: 'no: never',
      at: new Date(0).toISOString(),
      id: 'x',
    });
    const [point] = statistics.tick(105_000);
    assert.deepEqual([point?.sent, point?.failed, point?.runtimeP95, point?.waitP50], [1, 1, 30, 500]);
    assert.deepEqual(statistics.tick(105_500), []);
    assert.equal(statistics.tick(125_000).length, 4);
    assert.equal(statistics.series.length, 4);
    assert.deepEqual(statistics.rates(125_000), { sent: 0, started: 0, succeeded: 0, failed: 0, retried: 0 });
    // The machine slept for a day.
    assert(statistics.tick(86_500_000).length <= 4);
  });

  it('stay small, however many names there are', () => {
    const statistics = new Statistics(0, 3);
    for (let n = 0; n < 5_000; n++) statistics.take(event('task-sent', { name: `t${n}`, queue: `q${n}` }), n);
    assert.equal(statistics.taskNames().length, 1_000);
  });
});

describe('The event streams', () => {
  it('send tasks as they are, once for all pages, and cut off a page that does not read', async (t) => {
    const fake = fakeApp();
    const watch = watchOf(fake);
    // Its own timers let a process end.
    const alive = setInterval(() => undefined, 1_000);
    t.after(() => {
      clearInterval(alive);
      watch.close();
    });
    let reads = 0;
    const streams = new EventStreams({
      watch,
      read: async (changed) => {
        reads++;
        return changed.map(({ id }) => ({ id, state: 'SUCCESS' }) as unknown as Run);
      },
      queues: async () => [],
      onError: (error) => assert.fail(String(error)),
    });
    const pages = [streams.open(new AbortController().signal), streams.open(new AbortController().signal)];
    const [reader, other] = pages.map(({ body }) => body?.getReader());
    await turn();
    fake.emit({ type: 'task-started', timestamp: 1, ...task });
    fake.emit({ type: 'task-succeeded', timestamp: 2, ...task, runtime: 1 });
    for (const each of [reader, other]) {
      let text = '';
      while (!text.includes('event: run'))
        text += new TextDecoder().decode((await each?.read())?.value, { stream: true });
      assert(text.includes('event: run\ndata: {"id":"x","state":"SUCCESS"}\n\n'), text);
    }
    assert.equal(reads, 1);
    await other?.cancel();
    assert.equal(streams.size, 1);
    // Nobody reads from here on.
    for (let n = 0; n < 5 && streams.size > 0; n++) {
      streams.second(0, [{ at: 'x'.repeat(2 ** 20) } as never]);
    }
    assert.equal(streams.size, 0);
    streams.close();
  });
});

describe('An answer for many', () => {
  it('is asked for once, and anew after a while, a failure or a change', async () => {
    let now = 0;
    let asked = 0;
    const memo = new Memo(
      async () => {
        asked++;
        if (asked === 2) throw new Error('away');
        return asked;
      },
      1_000,
      0,
      () => now,
    );
    assert.deepEqual(await Promise.all([memo.get(), memo.get()]), [1, 1]);
    now = 1_000;
    await assert.rejects(memo.get());
    assert.equal(await memo.get(), 3);
    memo.forget();
    assert.equal(await memo.get(), 4);
    const slow = new Memo(
      async () => {
        now += 500;
        return ++asked;
      },
      1_000,
      10,
      () => now,
    );
    assert.equal(await slow.get(), 5);
    now += 4_000;
    assert.equal(await slow.get(), 5);
    now += 1_000;
    assert.equal(await slow.get(), 6);
  });
});
