/** Notices that carry the value of the task that ended, so that its waiter has nothing to look up. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { type JobJson, Worker } from 'bullmq';
import { currentTask } from 'celeriac';
import type { Engine } from '#src/broker/broker.js';
import { progressTopic } from '#src/broker/notice-channels.js';
import { openEngine } from '#src/broker/open.js';
import { IdSource } from '#src/protocol/ids.js';
import { gate, onEveryEngine, until, within } from '../support/app.js';
import { startRedis } from '../support/redis.js';

describe('A notice on Redis', { timeout: 120_000 }, () => {
  it('tells the value of a job that completed, once somebody is known to listen, and nothing else', async (t) => {
    const { engine, ids, ask } = await ground(t);
    const value = await engine.complete(ids.next('q'), { a: '=\n"', n: [1] });
    assert.equal(await ask(value), undefined, 'nobody was known to listen');
    assert.equal(await ask(value), '{"a":"=\\n\\"","n":[1]}');
    assert.equal(await ask(await engine.complete(ids.next('q'), null)), 'null');
    assert.equal(await ask(await engine.complete(ids.next('q'), 'x'.repeat(2_000))), undefined, 'too long');
    assert.equal(await ask(await engine.add(ids.next('q'))), undefined, 'not completed');
    assert.equal(await ask(ids.next('q')), undefined, 'not there');
    const own = await engine.complete('invoice-42@q', 1);
    assert.equal(await ask(own), undefined, "an id of a caller's own");
    assert.equal(await ask(own), undefined, "an id of a caller's own");
  });

  it('goes by one command with many others, values beside none', async (t) => {
    const { engine, ids, ask } = await ground(t);
    await ask(await engine.complete(ids.next('q'), 0));
    const jobs = await Promise.all(
      Array.from({ length: 200 }, async (_, n) =>
        n % 3 === 0 ? engine.add(ids.next('q')) : engine.complete(ids.next('q'), n),
      ),
    );
    const told = await Promise.all(jobs.map(ask));
    for (const [n, text] of told.entries()) assert.equal(text, n % 3 === 0 ? undefined : `${n}`);
  });
});

describe('A value that came with the notice', () => {
  onEveryEngine((ground) => {
    it('is the value that anybody reads, whatever its kind', async (t) => {
      const { app, worker, twin } = ground.app(t, { serializer: 'rich' });
      const echo = app.task('echo', (value: unknown) => value);
      await worker();
      const reader = twin();
      const rich = [new Date(0), new Map([['a', new Set([1n])]]), Number.NaN, /x/g];
      const plain = [
        undefined,
        null,
        0,
        '',
        'é\n=\u2028\ud800',
        [[]],
        { $celeriac: 'undefined' },
        'y'.repeat(3_000),
      ];
      for (const value of [...plain, ...rich, ...plain]) {
        const result = await echo.delay(value);
        const told = await result.get({ timeout: '20s' });
        assert.deepEqual(told, await reader.result(result.id).get({ timeout: '20s' }));
        assert.deepEqual((await result.snapshot()).value, told);
      }
    });

    it('is a copy for each that waits', async (t) => {
      const { app, worker } = ground.app(t);
      const make = app.task('make', () => ({ list: [1] }));
      await worker();
      for (let round = 0; round < 3; round++) {
        const result = await make.delay();
        const [one, two] = await Promise.all([result.get(), result.get()]);
        assert.deepEqual(one, two);
        assert.notEqual(one, two);
      }
    });
  });
});

describe('A hint on Redis', { timeout: 120_000 }, () => {
  it('goes out now and then while nobody listens, and always once somebody is known to', async (t) => {
    const { engines, ids } = await ground(t);
    const [teller, listener] = engines;
    const topic = progressTopic(ids.next('q'));
    let heard = 0;
    const burst = () => {
      for (let n = 0; n < 50; n++) {
        setImmediate(() => teller.signals.hint(topic));
      }
    };
    let marks = 0;
    /** Nobody is known to listen for this one either: it waits for company, and leaves after what came before it. */
    const through = async () => {
      const [mark, arrived] = [`mark-${marks++}`, gate()];
      await listener.signals.subscribe(mark, () => arrived.open());
      setImmediate(() => teller.signals.notify(mark, undefined));
      await within(arrived.opened, 'what comes after them');
    };
    burst();
    await through();
    await listener.signals.subscribe(topic, () => heard++);
    burst();
    await through();
    assert.ok(heard <= 1, `${heard} of 50 while nobody was known to listen`);
    await until(() => {
      teller.signals.hint(topic);
      return heard > 0;
    }, 'the hint that finds the listener');
    await through();
    heard = 0;
    burst();
    await until(() => heard === 50, 'all fifty');
  });
});

describe('Progress of a task', () => {
  onEveryEngine((ground) => {
    it('reaches who watches it, to the last, beside one who waits for the end', async (t) => {
      const { app, worker } = ground.app(t);
      const go = gate();
      const count = app.task('count', async (to: number) => {
        const task = currentTask();
        for (let done = 1; done <= to; done++) await task?.updateState('PROGRESS', { done });
        await go.opened;
        return to;
      });
      await worker();
      const result = await count.delay(100);
      const waits = result.get({ timeout: '20s' });
      const seen: unknown[] = [];
      for await (const { state, meta } of result.updates()) {
        seen.push(meta);
        if (state === 'PROGRESS' && (meta as { done: number }).done === 100) go.open();
      }
      assert.deepEqual(seen.at(-2), { done: 100 });
      assert.equal(await waits, 100);
    });
  });
});

/** Two engines on one server: one writes jobs and tells of them, the other listens. */
async function ground(t: { after(body: () => Promise<unknown>): void }) {
  const redis = await startRedis();
  const prefix = `n${randomUUID().slice(0, 8)}`;
  const opened: Engine[] = [];
  const open = () => {
    const engine = openEngine(redis.url, {
      prefix,
      connectTimeoutMs: 20_000,
      migrate: true,
      onTrouble: () => {},
      onRecovered: () => {},
    });
    opened.push(engine);
    engine.hold();
    return engine;
  };
  const [teller, listener] = [open(), open()];
  await Promise.all([teller.ready(), listener.ready()]);
  const backend = await teller.backend('q');
  const values = new Map<string, unknown>();
  const { connection } = teller.bullmq();
  const worker = new Worker('q', async (job) => values.get(job.id ?? ''), {
    connection: connection as never,
    prefix,
    concurrency: 50,
    autorun: false,
  });
  t.after(async () => {
    await worker.close(true);
    await Promise.all(opened.map((engine) => engine.close()));
    await redis.close();
  });
  void worker.run();
  const write = async (id: string, delay: number) => {
    const job = { id, name: 'x', data: '{}', opts: { delay }, delay, timestamp: Date.now() };
    await backend.addJob(job as unknown as JobJson, id, {});
    return id;
  };
  return {
    engines: [teller, listener] as const,
    ids: new IdSource(),
    engine: {
      /** A job that never runs. */
      add: (id: string) => write(id, 3_600_000),
      async complete(id: string, value: unknown) {
        values.set(id, value);
        await write(id, 0);
        await until(async () => (await teller.readEnded([{ queue: 'q', id }]))[0] === true, `${id} to end`);
        return id;
      },
    },
    /** What a listener is told when the job is said to have ended. */
    async ask(id: string): Promise<string | undefined> {
      let heard: { told: string | undefined } | undefined;
      const listen = (told?: string) => {
        heard = { told };
      };
      await listener.signals.subscribe(id, listen);
      teller.signals.notify(id, { queue: 'q', id });
      await until(() => heard !== undefined, `the notice of ${id}`);
      listener.signals.unsubscribe(id, listen);
      return heard?.told;
    },
  };
}
