import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StreamPage } from '#src/broker/streams.js';
import { StreamRestartedError, StreamTruncatedError } from '#src/errors.js';
import { WakeUp } from '#src/results/wake-up.js';
import type { StreamEntry } from '#src/streams/result-stream.js';
import { readStreamOptions, type StreamOptions } from '#src/streams/stream-options.js';
import { readStream, type StreamingTask } from '#src/streams/stream-reader.js';

/** A broker with one stream, and the task it belongs to. */
class Model {
  task: StreamingTask = {
    known: true,
    attempt: 0,
    origin: 'o',
    running: true,
    ended: false,
    error: undefined,
  };
  page: { origin: string; attempt: number; first: number; texts: string[] } | undefined;
  reads = 0;
  looks = 0;
  held = 0;
  listening = 0;
  readonly #listeners = new Set<(of: 'task' | 'chunks') => void>();

  write(...texts: string[]): void {
    this.page ??= { origin: 'o', attempt: this.task.attempt ?? 0, first: 0, texts: [] };
    this.page.texts.push(...texts);
    this.notify('chunks');
  }

  begin(attempt: number, origin = 'o'): void {
    this.task = { ...this.task, attempt, origin, running: true };
    this.page = { origin, attempt, first: 0, texts: [] };
  }

  end(error?: Error): void {
    this.task = { ...this.task, running: false, ended: true, error };
    this.notify('task');
  }

  notify(of: 'task' | 'chunks'): void {
    for (const listener of this.#listeners) listener(of);
  }

  stream(options: StreamOptions = {}): AsyncGenerator<StreamEntry<string>, void, undefined> {
    return readStream<string>({
      taskId: 'id',
      locate: async () => 'job',
      streams: { read: async (_, from, most) => this.#read(from, most) },
      settings: readStreamOptions(options),
      decode: (text) => text,
      look: async () => {
        this.looks++;
        return this.task;
      },
      patiently: (work) => work(),
      watch: (_, onNotice) => {
        this.#listeners.add(onNotice);
        this.listening++;
        return {
          listening: Promise.resolve(),
          close: () => {
            this.#listeners.delete(onNotice);
            this.listening--;
          },
        };
      },
      hold: () => {
        this.held++;
        let mine = true;
        return () => {
          if (mine) this.held--;
          mine = false;
        };
      },
      bell: new WakeUp(),
    });
  }

  #read(from: number, most: number): StreamPage | undefined {
    this.reads++;
    if (this.page === undefined) return undefined;
    const { origin, attempt, first, texts } = this.page;
    const begin = Math.max(from, first);
    const some = texts.slice(begin - first, begin - first + most);
    return {
      origin,
      attempt,
      first,
      next: first + texts.length,
      chunks: some.map((text, i) => ({ index: begin + i, at: 0, text })),
    };
  }
}

async function texts(stream: AsyncIterable<StreamEntry<string>>): Promise<string[]> {
  const found: string[] = [];
  for await (const { chunk, index, attempt } of stream) found.push(`${attempt}.${index} ${chunk}`);
  return found;
}

describe('A reader of a stream', () => {
  it('gives what is there and what comes, and ends after the last chunk', async () => {
    const model = new Model();
    model.write(...Array.from({ length: 250 }, (_, i) => `${i}`));
    const reader = model.stream();
    for (let i = 0; i < 250; i++) assert.equal((await reader.next()).value?.index, i);
    assert.equal(model.reads, 3);
    const next = reader.next();
    model.write('last');
    model.end();
    assert.equal((await next).value?.chunk, 'last');
    assert.equal((await reader.next()).done, true);
    assert.deepEqual([model.held, model.listening], [0, 0]);
  });

  it('asks for nothing and keeps no process alive while nobody asks it', async () => {
    const model = new Model();
    model.write('a', 'b');
    const reader = model.stream();
    await reader.next();
    const { reads, looks } = model;
    for (let i = 0; i < 10; i++) model.write('more');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([model.reads, model.looks, model.held], [reads, looks, 0]);
    await reader.return();
    assert.equal(model.listening, 0);
  });

  it('reads chunks alone while they come: the task is looked at when something else is up', async () => {
    const model = new Model();
    const reader = model.stream();
    for (let i = 0; i < 20; i++) {
      const next = reader.next();
      await new Promise((resolve) => setImmediate(resolve));
      model.write(`${i}`);
      assert.equal((await next).value?.index, i);
    }
    assert.equal(model.looks, 1);
    await reader.return();
  });

  it('throws what the task failed with, after its last chunk', async () => {
    const model = new Model();
    model.write('a');
    model.end(new RangeError('no'));
    const reader = model.stream();
    assert.equal((await reader.next()).value?.chunk, 'a');
    await assert.rejects(reader.next(), RangeError);
  });

  it('simply gets the new attempt when it has received nothing yet', async () => {
    const model = new Model();
    model.write('old');
    model.begin(1);
    const reader = model.stream();
    const next = reader.next();
    model.write('new');
    assert.equal((await next).value?.chunk, 'new');
    model.end();
    assert.deepEqual(await texts(reader), []);
    assert.deepEqual(await texts(model.stream()), ['1.0 new']);
  });

  it('hears in the middle that the task began again, with or without chunks, or follows', async () => {
    const restarts = [(model: Model) => model.write('1'), () => undefined, (model: Model) => model.end()];
    for (const restart of restarts) {
      const model = new Model();
      model.write('a', 'b');
      const strict = model.stream();
      const follows = model.stream({ restarts: 'follow' });
      for (const reader of [strict, follows]) await reader.next();
      for (const reader of [strict, follows]) await reader.next();
      model.begin(3);
      restart(model);
      model.notify('task');
      await assert.rejects(
        strict.next(),
        (error) => error instanceof StreamRestartedError && error.attempt === 3,
      );
      const expected = model.page?.texts.map((text, i) => `3.${i} ${text}`);
      model.end();
      assert.deepEqual(await texts(follows), expected);
    }
  });

  it('hears in the middle that a failed task was retried as new, with or without chunks, or follows', async () => {
    const restarts = [
      (model: Model) => model.write('1'),
      () => undefined,
      (model: Model) => model.end(),
      // It has no chunks, and those of the run before are removed.
      (model: Model) => {
        model.page = undefined;
      },
      (model: Model) => {
        model.page = undefined;
        model.end();
      },
    ];
    for (const restart of restarts) {
      const model = new Model();
      model.write('a', 'b');
      const strict = model.stream();
      const follows = model.stream({ restarts: 'follow' });
      for (const reader of [strict, follows]) await reader.next();
      for (const reader of [strict, follows]) await reader.next();
      model.begin(0, 'o/1');
      restart(model);
      model.notify('task');
      await assert.rejects(
        strict.next(),
        (error) => error instanceof StreamRestartedError && error.attempt === 0,
      );
      const expected = (model.page?.texts ?? []).map((text, i) => `0.${i} ${text}`);
      model.end();
      assert.deepEqual(await texts(follows), expected);
    }
  });

  it('goes on where an earlier reader left, unless another attempt runs by now', async () => {
    const model = new Model();
    model.write('a', 'b', 'c');
    const place = { from: 2, attempt: 0 };
    const later = model.stream(place);
    assert.equal((await later.next()).value?.chunk, 'c');
    model.begin(1);
    // Nothing of the new attempt is passed over, however little there is of it.
    const [strict, follows] = [model.stream(place), model.stream({ ...place, restarts: 'follow' })];
    model.write('new');
    await assert.rejects(
      strict.next(),
      (error) => error instanceof StreamRestartedError && error.attempt === 1,
    );
    model.end();
    assert.deepEqual(await texts(follows), ['1.0 new']);
    assert.throws(() => model.stream({ attempt: -1 }), /attempt -1 must be a whole number/);
  });

  it('gives no chunks of an attempt that another has followed, but the last words of a failed task', async () => {
    const model = new Model();
    model.write('of the first');
    model.task = { ...model.task, attempt: 1, running: false, ended: true };
    assert.deepEqual(await texts(model.stream()), []);
    model.task = { ...model.task, error: new Error('lost') };
    const reader = model.stream();
    assert.equal((await reader.next()).value?.chunk, 'of the first');
    await assert.rejects(reader.next(), /lost/);
  });

  it('gives no chunks of another task that had the same id', async () => {
    const model = new Model();
    model.page = { origin: 'before', attempt: 0, first: 0, texts: ['not mine'] };
    model.end();
    assert.deepEqual(await texts(model.stream()), []);
  });

  it('says which chunks are gone, at the start and in the middle; `oldest` takes what there is', async () => {
    const model = new Model();
    model.page = { origin: 'o', attempt: 0, first: 5, texts: ['5', '6'] };
    const from = async (options: StreamOptions) => (await model.stream(options).next()).value?.index;
    for (const options of [{}, { from: 4 }])
      await assert.rejects(
        from(options),
        (error) => error instanceof StreamTruncatedError && error.firstIndex === 5,
      );
    assert.deepEqual([await from({ from: 'oldest' }), await from({ from: 6 })], [5, 6]);
    const slow = model.stream({ from: 'oldest' });
    await slow.next();
    await slow.next();
    model.page = { origin: 'o', attempt: 0, first: 9, texts: ['9'] };
    await assert.rejects(slow.next(), (error) => error instanceof StreamTruncatedError);
  });

  it('gives nothing of a task without a record, and stops when its signal aborts', async () => {
    const model = new Model();
    model.write('a');
    model.task = { ...model.task, known: false, ended: true };
    assert.deepEqual(await texts(model.stream()), []);
    const controller = new AbortController();
    const other = new Model();
    const next = other.stream({ signal: controller.signal }).next();
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(next, reason);
    assert.deepEqual([other.held, other.listening], [0, 0]);
  });
});
