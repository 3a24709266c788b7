import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { StoredChunk } from '#src/broker/streams.js';
import { type ChunkSink, MOST_BYTES, MOST_CHUNKS, Outgoing } from '#src/streams/outgoing.js';

/** A sink whose writes are answered by hand. */
class Sink implements ChunkSink {
  readonly writes: { first: number; texts: string[]; answer: (result: boolean | Error) => void }[] = [];
  readonly troubles: unknown[] = [];
  closed = false;
  #arrived: () => void = () => undefined;

  write(first: number, chunks: readonly StoredChunk[]): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const answer = (result: boolean | Error) =>
        result instanceof Error ? reject(result) : resolve(result);
      this.writes.push({ first, texts: chunks.map(({ text }) => text), answer });
      this.#arrived();
    });
  }

  isClosed(): boolean {
    return this.closed;
  }

  onTrouble(error: unknown): void {
    this.troubles.push(error);
  }

  /** The nth write, once it is made. */
  async nth(n: number) {
    while (this.writes.length <= n)
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    return this.writes[n] ?? assert.fail();
  }
}

const chunk = (text: string): StoredChunk => ({ at: 0, text });

describe('Outgoing chunks', () => {
  // A pause between two tries keeps no process alive.
  let alive: NodeJS.Timeout;
  before(() => {
    alive = setInterval(() => undefined, 1000);
  });
  after(() => clearInterval(alive));

  it('leave together after a moment, with the index of the first', async () => {
    const sink = new Sink();
    const out = new Outgoing(sink);
    assert.equal(out.push(chunk('a'), 1), undefined);
    assert.equal(out.push(chunk('b'), 1), undefined);
    assert.equal(sink.writes.length, 0);
    const first = await sink.nth(0);
    assert.deepEqual([first.first, first.texts], [0, ['a', 'b']]);
    // While the write is under way, chunks wait in the buffer, not the task.
    assert.equal(out.push(chunk('c'), 1), undefined);
    first.answer(true);
    const second = await sink.nth(1);
    assert.deepEqual([second.first, second.texts], [2, ['c']]);
    second.answer(true);
    assert.equal(await out.finish(), undefined);
    assert.equal(out.count, 3);
  });

  it('leave at once when the buffer is full, and make the task wait while a full one follows', async () => {
    const sink = new Sink();
    const out = new Outgoing(sink);
    for (let i = 0; i < MOST_CHUNKS; i++) assert.equal(out.push(chunk(`${i}`), 1), undefined);
    assert.equal(sink.writes.length, 1);
    assert.equal(out.push(chunk('large'), MOST_BYTES) instanceof Promise, true);
    const room = out.push(chunk('another'), 1);
    let there = false;
    void room?.then(() => {
      there = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(there, false);
    sink.writes[0]?.answer(true);
    await room;
    const second = await sink.nth(1);
    assert.deepEqual([second.first, second.texts], [MOST_CHUNKS, ['large', 'another']]);
    second.answer(true);
    await out.finish();
  });

  it('are written again for as long as the broker cannot take them, in the same order', async () => {
    const sink = new Sink();
    const out = new Outgoing(sink);
    out.push(chunk('a'), 1);
    (await sink.nth(0)).answer(new Error("READONLY You can't write against a read only replica."));
    out.push(chunk('b'), 1);
    const again = await sink.nth(1);
    assert.deepEqual([again.first, again.texts], [0, ['a']]);
    again.answer(new Error('LOADING'));
    (await sink.nth(2)).answer(true);
    const rest = await sink.nth(3);
    assert.deepEqual([rest.first, rest.texts], [1, ['b']]);
    const finished = out.finish();
    rest.answer(true);
    assert.equal(await finished, undefined);
    assert.equal(sink.troubles.length, 1);
  });

  it('end when the task is no longer ours, or the app is closed', async () => {
    for (const last of [false, Object.assign(new Error('closed'), {})] as const) {
      const sink = new Sink();
      sink.closed = last instanceof Error;
      const out = new Outgoing(sink);
      out.push(chunk('a'), 1);
      (await sink.nth(0)).answer(last);
      assert.equal(await out.finish(), undefined);
      assert.equal(out.push(chunk('b'), MOST_BYTES), undefined);
      assert.equal(await out.finish(), undefined);
      assert.equal(sink.writes.length, 1);
    }
  });

  it('fail the next yield when the broker refuses one for good, or the end when there is none', async () => {
    const sink = new Sink();
    const out = new Outgoing(sink);
    const refused = new Error('ERR string exceeds maximum allowed size (proto-max-bulk-len)');
    out.push(chunk('a'), 1);
    (await sink.nth(0)).answer(refused);
    assert.deepEqual(await out.finish(), { error: refused });
    assert.throws(() => out.push(chunk('b'), 1), refused);
  });

  it('are dropped when nobody wants them', async () => {
    const sink = new Sink();
    const out = new Outgoing(sink);
    out.push(chunk('a'), 1);
    out.drop();
    assert.equal(await out.finish(), undefined);
    assert.equal(sink.writes.length, 0);
  });
});
