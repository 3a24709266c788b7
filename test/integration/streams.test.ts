/** What a task yields, as its readers see it: every chunk once and in order, whenever they come. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AsyncResult,
  chain,
  isCeleriacError,
  type StreamEntry,
  StreamRestartedError,
  StreamTruncatedError,
  Task,
  TaskFailedError,
  TaskService,
} from 'celeriac';
import { Redis } from 'ioredis';
import { gate, onEveryEngine, pause, startWorker, testApp, until } from '../support/app.js';
import { startRedis } from '../support/redis.js';

describe('streams', () => {
  onEveryEngine(
    (ground) => {
      it('gives every chunk once and in order, and the value afterwards', async (t) => {
        const { app, worker } = ground.app(t);
        const count = app.task('count', async function* (n: number) {
          for (let i = 0; i < n; i++) yield i;
          return 'done' as const;
        });
        await worker();
        const result = await count.delay(250);
        assert.deepEqual(await all(result), range(250));
        assert.equal(await result.get(), 'done');
        // However late the reader comes, from wherever.
        assert.deepEqual(await all(app.result<unknown, number>(result.id)), range(250));
        const late: StreamEntry<number>[] = [];
        for await (const entry of result.stream({ from: 247 }).entries()) late.push(entry);
        assert.deepEqual(
          late.map(({ index, attempt, chunk }) => [index, attempt, chunk]),
          [
            [247, 0, 247],
            [248, 0, 248],
            [249, 0, 249],
          ],
        );
        assert.ok(late.every(({ at }) => Math.abs(at.getTime() - Date.now()) < 60_000));
      });

      it('gives chunks while the task runs, also those an ordinary task emits', async (t) => {
        const { app, worker, twin } = ground.app(t);
        const go = gate();
        const words = app.task('words', async function (this) {
          await this.emit('one');
          await this.emit(undefined);
          await go.opened;
          await this.emit({ n: 3 });
          return 3;
        });
        await worker();
        const result = await words.delay();
        const reader = twin().result(result.id).stream();
        assert.deepEqual(await reader.next(), { done: false, value: 'one' });
        assert.deepEqual(await reader.next(), { done: false, value: undefined });
        go.open();
        assert.deepEqual(await reader.next(), { done: false, value: { n: 3 } });
        assert.deepEqual(await reader.next(), { done: true, value: undefined });
      });

      it('throws what get() throws, after the last chunk', async (t) => {
        const { app, worker } = ground.app(t);
        const fails = app.task('fails', async function* () {
          yield 'a';
          throw new RangeError('no more');
        });
        await worker();
        const result = await fails.delay();
        const seen: unknown[] = [];
        await assert.rejects(
          async () => {
            for await (const chunk of result.stream()) seen.push(chunk);
          },
          (error) => error instanceof TaskFailedError && error.cause instanceof RangeError,
        );
        assert.deepEqual(seen, ['a']);
        await assert.rejects(app.result('never-sent').stream().next(), (error) =>
          isCeleriacError(error, 'UNKNOWN_TASK'),
        );
      });

      it('begins anew with a retry: who is in the middle hears of it, or follows', async (t) => {
        const { app, worker } = ground.app(t);
        const go = gate();
        const twice = app.task('twice', { retryJitter: false }, async function* (this) {
          const { retries } = this.request;
          yield `${retries} a`;
          yield `${retries} b`;
          if (retries > 0) return;
          await go.opened;
          this.retry({ countdown: 0 });
        });
        await worker();
        const result = await twice.delay();
        const strict = result.stream();
        const follows = result.stream({ restarts: 'follow' });
        for (const reader of [strict, follows])
          assert.deepEqual([(await reader.next()).value, (await reader.next()).value], ['0 a', '0 b']);
        go.open();
        await assert.rejects(strict.next(), (error) => error instanceof StreamRestartedError);
        const rest: unknown[] = [];
        for await (const chunk of follows) rest.push(chunk);
        assert.deepEqual(rest, ['1 a', '1 b']);
        assert.deepEqual(await all(result), ['1 a', '1 b']);
      });

      it('keeps exactly the last ten of a bounded stream', async (t) => {
        const { app, worker } = ground.app(t);
        const many = app.task('many', { streamMaxChunks: 10 }, async function* () {
          for (let i = 0; i < 257; i++) yield i;
        });
        const large = app.task('large', { streamMaxBytes: 1000 }, async function* () {
          for (let i = 0; i < 30; i++) yield `${i}`.padEnd(98);
        });
        await worker();
        const result = await many.delay();
        await result.get();
        await assert.rejects(
          all(result),
          (error) => error instanceof StreamTruncatedError && error.firstIndex === 247,
        );
        assert.deepEqual(await all(result, { from: 'oldest' }), range(257).slice(247));
        assert.deepEqual(await all(result, { from: 255 }), [255, 256]);
        const bytes = await large.delay();
        await bytes.get();
        const kept = (await all(bytes, { from: 'oldest' })) as string[];
        assert.deepEqual(
          kept.map((text) => text.trim()),
          range(30).slice(20).map(String),
        );
      });

      it('throws at the yield what cannot be sent', async (t) => {
        const { app, worker } = ground.app(t);
        const odd = app.task('odd', { streamMaxBytes: 100 }, async function* () {
          const codes: unknown[] = [];
          for (const chunk of [{ when: [() => 1] }, 'x'.repeat(200), 'fine']) {
            try {
              yield chunk;
            } catch (error) {
              codes.push([
                Reflect.get(error as object, 'code'),
                Reflect.get(error as object, 'path') ?? null,
              ]);
            }
          }
          return codes;
        });
        await worker();
        const result = await odd.delay();
        assert.deepEqual(await all(result), ['fine']);
        assert.deepEqual(await result.get(), [
          ['NOT_SERIALIZABLE', 'chunk.when[0]'],
          ['PAYLOAD_TOO_LARGE', null],
        ]);
      });

      it('gives return() to a generator whose task is revoked or over its limit', async (t) => {
        const { app, worker } = ground.app(t);
        const left = new Map<string, () => void>();
        const cleaned = (name: string) => new Promise<void>((resolve) => left.set(name, resolve));
        async function* endless(name: string): AsyncGenerator<number> {
          try {
            for (let i = 0; ; i++) {
              yield i;
              await pause(5);
            }
          } finally {
            left.get(name)?.();
          }
        }
        const plain = app.task('plain', endless);
        const hard = app.task('hard', { timeLimit: 100 }, endless);
        const soft = app.task('soft', { softTimeLimit: 100 }, endless);
        await worker();
        const waits = ['plain', 'hard', 'soft'].map(cleaned);
        const revoked = await plain.delay('plain');
        const reader = revoked.stream();
        assert.equal((await reader.next()).value, 0);
        await revoked.revoke({ terminate: true });
        await assert.rejects(drained(reader), (error) => isCeleriacError(error, 'TASK_REVOKED'));
        const limited = await hard.delay('hard');
        await assert.rejects(
          all(limited),
          (error) => error instanceof TaskFailedError && isCeleriacError(error.cause, 'TIME_LIMIT'),
        );
        const soon = await soft.delay('soft');
        await assert.rejects(
          all(soon),
          (error) => error instanceof TaskFailedError && isCeleriacError(error.cause, 'SOFT_TIME_LIMIT'),
        );
        await Promise.all(waits);
      });

      it('shows chunks of an ignored result to live readers only', async (t) => {
        const { app, worker } = ground.app(t);
        const go = gate();
        const quiet = app.task('quiet', { ignoreResult: true }, async function* () {
          yield 1;
          await go.opened;
          yield 2;
        });
        await worker();
        const result = await quiet.delay();
        const reader = result.stream();
        assert.equal((await reader.next()).value, 1);
        go.open();
        assert.equal((await reader.next()).value, 2);
        assert.equal((await reader.next()).done, true);
        assert.deepEqual(await all(result), []);
      });

      it('is forgotten with its task', async (t) => {
        const { app, worker } = ground.app(t);
        const some = app.task('some', async function* () {
          yield 1;
        });
        await worker();
        const result = await some.delay();
        assert.deepEqual(await all(result), [1]);
        await result.forget();
        await assert.rejects(all(result), (error) => isCeleriacError(error, 'UNKNOWN_TASK'));
      });

      it('gives a new attempt of a task whose worker was lost, and of one handed back', async (t) => {
        const { app, worker } = ground.app(t);
        const go = gate();
        const slow = app.task('slow', async function* (this) {
          yield `begun ${this.request.deliveries}`;
          await go.opened;
          yield 'done';
        });
        const first = await worker();
        const result = await slow.delay();
        const strict = result.stream();
        const follows = result.stream({ restarts: 'follow' });
        for (const reader of [strict, follows]) assert.equal((await reader.next()).value, 'begun 1');
        await first.stop({ timeout: 0 });
        go.open();
        await worker();
        await assert.rejects(strict.next(), (error) => error instanceof StreamRestartedError);
        assert.deepEqual(await drained(follows), ['begun 2', 'done']);
      });

      it('goes on in the same stream when the task wakes up, without what was sent before', async (t) => {
        const { app, worker } = ground.app(t);
        const wakes = app.task('wakes', async function* (this) {
          yield 'before';
          await this.sleep('a moment', 50);
          yield 'after';
          return this.request.deliveries;
        });
        await worker();
        const result = await wakes.delay();
        assert.deepEqual(await all(result), ['before', 'after']);
        assert.equal(await result.get(), 1);
      });

      it('runs no finally of a generator that waits', async (t) => {
        const { app, worker } = ground.app(t);
        const cleaned: number[] = [];
        const naps = app.task('naps', async function* (this) {
          try {
            const nap = this.sleep('nap', 200);
            for (let i = 0; i < 300; i++) yield i;
            await nap;
            return 'rested';
          } finally {
            cleaned.push(this.request.deliveries);
          }
        });
        await worker();
        const result = await naps.delay();
        assert.equal(await result.get(), 'rested');
        assert.deepEqual([await all(result), cleaned], [range(300), [1]]);
      });

      it('is dropped by a retry of a failed task, and by a purge', async (t) => {
        const { app, worker } = ground.app(t);
        let fails = true;
        const odd = app.task('odd', async function* () {
          yield fails ? 'bad' : 'good';
          if (fails) throw new Error('odd');
        });
        const later = app.task('later', { autoretryFor: true, defaultRetryDelay: '1h' }, async function* () {
          yield 'tried';
          throw new Error('later');
        });
        const running = await worker();
        const result = await odd.delay();
        await assert.rejects(all(result));
        fails = false;
        await app.failed.retry(result.id);
        assert.deepEqual(await all(result), ['good']);
        const waits = await later.delay();
        const reader = waits.stream();
        assert.equal((await reader.next()).value, 'tried');
        await until(async () => (await waits.status) === 'RETRY', 'a retry');
        await running.stop();
        await app.queues.purge('celeriac');
        await assert.rejects(reader.next(), (error) => isCeleriacError(error, 'TASK_REVOKED'));
      });

      it('begins anew with a retry of a failed task: who is in the middle hears of it', async (t) => {
        const { app, worker } = ground.app(t);
        let run = 1;
        const runs = app.task('runs', async function* () {
          for (let i = 0; i < 3; i++) yield `${run} ${i}`;
          if (run++ === 1) throw new Error('odd');
        });
        await worker();
        const result = await runs.delay();
        const reader = result.stream();
        assert.equal((await reader.next()).value, '1 0');
        await assert.rejects(result.get());
        await app.failed.retry(result.id);
        await result.get();
        // The rest of the page that it holds, and then the news.
        const rest: unknown[] = [];
        await assert.rejects(
          async () => {
            for await (const chunk of reader) rest.push(chunk);
          },
          (error) => error instanceof StreamRestartedError && error.attempt === 0,
        );
        assert.deepEqual(rest, ['1 1', '1 2'].slice(0, rest.length));
        assert.deepEqual(await all(result), ['2 0', '2 1', '2 2']);
      });

      it('makes a generator wait for a reader no more than for the broker, in bounded memory', async (t) => {
        const { app, worker } = ground.app(t);
        const large = app.task('large', { streamMaxBytes: '64mb' }, async function* () {
          for (let i = 0; i < 20; i++) yield `${i}`.padEnd(1_000_000);
        });
        await worker();
        const result = await large.delay();
        const stopped = result.stream();
        await stopped.next();
        assert.equal(await result.get(), undefined);
        assert.deepEqual(
          (await all(result)).map((text) => [text.length, Number(text)]),
          range(20).map((i) => [1_000_000, i]),
        );
        await stopped.return();
      });

      it('ends a task at its time limit although return() hangs', async (t) => {
        const { app, worker } = ground.app(t);
        const hangs = app.task('hangs', { timeLimit: 100 }, async function* () {
          try {
            yield 1;
            await new Promise(() => undefined);
          } finally {
            await new Promise(() => undefined);
          }
        });
        const done = app.task('done', () => true);
        await worker({ concurrency: 1 });
        const result = await hangs.delay();
        await assert.rejects(
          all(result),
          (error) => error instanceof TaskFailedError && isCeleriacError(error.cause, 'TIME_LIMIT'),
        );
        // Its slot is free.
        assert.equal(await (await done.delay()).get({ timeout: '20s' }), true);
      });

      it('streams inside a workflow, and what map runs over', async (t) => {
        const { app, worker } = ground.app(t);
        const spell = app.task('spell', async function* (word: string) {
          for (const letter of word) yield letter;
          return word.length;
        });
        const double = app.task('double', (n: number) => n * 2);
        await worker();
        const ended = await chain(spell.s('hops'), double.s()).delay();
        assert.equal(await ended.get(), 8);
        assert.deepEqual(await all(ended.parent as AsyncResult<number, string>), [...'hops']);
        const mapped = await spell.map(['ab', 'c']).delay();
        assert.deepEqual(await mapped.get(), [2, 1]);
        assert.deepEqual(await all(mapped), ['a', 'b', 'c']);
      });
    },
    ['redis', 'memory', 'postgres', 'cluster'],
  );

  it('is read from a task that ran here and now, and does nothing in a direct call', async (t) => {
    const { app } = testApp(t, { broker: 'memory://' });
    class Words extends TaskService {
      @Task('words.say')
      async *say(n: number): AsyncGenerator<string, number> {
        for (let i = 0; i < n; i++) {
          await this.emit(`e${i}`);
          yield `${this.request.calledDirectly}`;
        }
        return n;
      }
    }
    const words = new Words();
    const { say } = app.register(words);
    const result = await say.apply([2]);
    assert.deepEqual(await all(result), ['e0', 'false', 'e1', 'false']);
    assert.equal(await result.get(), 2);
    assert.deepEqual(await drained(words.say(1)), ['true']);
  });

  it('expires with its record, also when another worker ends the task', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const options = { broker: redis.url, failureExpires: '1h', resultExpires: '1h' } as const;
    const { app, prefix, worker, twin } = testApp(t, options);
    const parks = app.task('parks', async function* (this) {
      yield 'before';
      await this.sleep('long', '1h');
    });
    const first = await worker();
    const result = await parks.delay();
    await until(async () => (await result.status) === 'WAITING', 'the sleep');
    await first.stop();
    const other = twin();
    other.task('parks', () => undefined);
    await startWorker(other);
    await result.revoke();
    await assert.rejects(result.get(), (error) => isCeleriacError(error, 'TASK_REVOKED'));
    const client = new Redis(redis.url).on('error', () => undefined);
    t.after(() => client.disconnect());
    const ttl = () => client.pttl(`${prefix}:~n:${result.id}`);
    await until(async () => (await ttl()) <= 3_600_000, 'the end of the stream');
    assert.ok((await ttl()) > 0);
    assert.throws(
      () => result.stream({ from: 1e20 }),
      (error) => isCeleriacError(error, 'OPTION'),
    );
  });

  it('shows up in the metrics, and costs a plain task nothing', async (t) => {
    const { app, worker } = testApp(t, { broker: 'memory://' });
    const go = gate();
    const one = app.task('one', async function* () {
      yield 1;
      await go.opened;
    });
    const running = await worker({ health: { port: 0 } });
    const result = await one.delay();
    const reader = result.stream();
    await reader.next();
    const metrics = async () => (await fetch(`http://127.0.0.1:${running.healthPort}/metrics`)).text();
    const text = await metrics();
    assert.match(text, /^celeriac_streams_open 1$/m);
    assert.match(text, /^celeriac_stream_chunks_total 1$/m);
    go.open();
    await drained(reader);
    await result.get();
    assert.match(await metrics(), /^celeriac_streams_open 0$/m);
  });
});

async function all<C>(result: AsyncResult<unknown, C>, options = {}): Promise<C[]> {
  return drained(result.stream(options));
}

async function drained<C>(stream: AsyncIterable<C>): Promise<C[]> {
  const chunks: C[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}
