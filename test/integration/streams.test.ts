/** What a task yields, as its readers see it: every chunk once and in order, whenever they come. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AsyncResult,
  isCeleriacError,
  type StreamEntry,
  StreamRestartedError,
  StreamTruncatedError,
  TaskFailedError,
} from 'celeriac';
import { gate, onEveryEngine, pause } from '../support/app.js';

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
    },
    ['redis', 'memory', 'postgres', 'cluster'],
  );
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
