import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { encodeFailure } from '#src/protocol/wire-error.js';
import type { FromThread, RpcReply, ToThread } from '#src/worker/threads/messages.js';
import { Rpc } from '#src/worker/threads/rpc.js';
import { rejection } from '../../../support/app.js';

const REQUEST = { to: 'engine', method: 'ready', args: [] } as const;

/** A thread's end of the connection, and the worker's. */
function connection(t: { after(body: () => void): void }) {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const mailbox = new Int32Array(new SharedArrayBuffer(4));
  const rpc = new Rpc({ port: port1, mailbox });
  const asked: number[] = [];
  const waiting: (() => void)[] = [];
  port2.on('message', (message: FromThread) => {
    if (message.kind !== 'ask') return;
    asked.push(message.id);
    for (const wake of waiting.splice(0)) wake();
  });
  const tell = (message: ToThread) => port2.postMessage(message);
  return {
    rpc,
    tell,
    mailbox,
    answer: (id: number, answer: RpcReply) => tell({ kind: 'answer', id, answer }),
    /** The ids of the first requests. */
    async requests(count: number): Promise<readonly number[]> {
      while (asked.length < count) await new Promise<void>((wake) => waiting.push(wake));
      return asked;
    },
  };
}

describe("A thread's requests", () => {
  it('are answered each by its own answer, in whatever order they come', async (t) => {
    const { rpc, answer, requests } = connection(t);
    rpc.open(() => undefined);
    const [one, two] = [rpc.ask(REQUEST), rpc.ask(REQUEST)];
    const [first = -1, second = -1] = await requests(2);
    answer(second, { ok: true, value: 'two' });
    answer(first, { ok: true, value: 'one' });
    assert.deepEqual(await Promise.all([one, two]), ['one', 'two']);
  });

  it('reject with what the worker threw, which knows whether the broker was away', async (t) => {
    const { rpc, answer, requests } = connection(t);
    rpc.open(() => undefined);
    const [away, wrong] = [rejection(rpc.ask(REQUEST)), rejection(rpc.ask(REQUEST))];
    const [first = -1, second = -1] = await requests(2);
    const error = encodeFailure(new RangeError('no'));
    answer(first, { ok: false, error, unavailable: true });
    answer(second, { ok: false, error, unavailable: false });
    const errors = [await away, await wrong];
    assert.deepEqual(
      errors.map(({ message }) => message),
      ['no', 'no'],
    );
    assert.deepEqual(
      errors.map((one) => rpc.isUnavailable(one)),
      [true, false],
    );
    assert.equal(rpc.isUnavailable('gone'), false);
  });
});

describe('News for a thread', () => {
  it('is heard by code that never yields, once it looks, and all that waits at one look', async (t) => {
    const { rpc, tell, mailbox } = connection(t);
    const heard: string[] = [];
    rpc.open(({ kind }) => heard.push(kind));
    tell({ kind: 'notice', topic: 'a' });
    tell({ kind: 'gap' });
    rpc.look();
    assert.deepEqual(heard, [], 'a look costs nothing while the mailbox is empty');
    Atomics.store(mailbox, 0, 1);
    rpc.look();
    assert.deepEqual(heard, ['notice', 'gap']);
    assert.equal(Atomics.load(mailbox, 0), 0, 'the mailbox is empty again');
    tell({ kind: 'gap' });
    rpc.look();
    assert.equal(heard.length, 2);
  });
});
