/** What a browser makes of an event stream, over connections that break anywhere. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Followed, follow } from 'celeriac/client';

type Fetch = typeof globalThis.fetch;

/** One connection: what it sends, and whether it stays open afterwards. */
interface Connection {
  readonly status?: number;
  readonly body?: string | readonly Uint8Array[];
  readonly type?: string;
  readonly open?: boolean;
  readonly fails?: boolean;
  /** Its body knows nothing of the request's signal, as may happen in Node. */
  readonly deaf?: boolean;
}

/** A server with these connections, one after the other. */
class Server {
  readonly lastIds: (string | undefined)[] = [];
  aborted = 0;
  readonly fetch: Fetch;

  constructor(...connections: Connection[]) {
    this.fetch = async (_url, { headers, signal } = {}) => {
      const connection = connections[this.lastIds.length] ?? connections.at(-1) ?? {};
      this.lastIds.push((headers as Record<string, string>)['last-event-id']);
      signal?.addEventListener('abort', () => void this.aborted++);
      if (connection.fails) throw new TypeError('fetch failed');
      const { status = 200, body = '', type = 'text/event-stream; charset=utf-8' } = connection;
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const bytes of typeof body === 'string' ? [new TextEncoder().encode(body)] : body)
            controller.enqueue(bytes);
          if (!connection.open) controller.close();
          signal?.addEventListener('abort', () => {
            if (connection.open && !connection.deaf) controller.error(signal.reason);
          });
        },
      });
      return new Response(stream, { status, headers: { 'content-type': type } });
    };
  }

  follow<R = unknown, C = unknown>(options: { signal?: AbortSignal } = {}): Followed<R, C> {
    return follow<R, C>('http://server/follow/token', { fetch: this.fetch, ...options });
  }
}

const state = (name: string, attempt = 0, meta?: unknown) =>
  `event: state\ndata: ${JSON.stringify({ state: name, meta, attempt })}\n\n`;
const chunk = (id: string, value: unknown) =>
  `id: ${id}\nevent: chunk\ndata: ${JSON.stringify({ index: Number(id.split('.')[1]), value })}\n\n`;
const end = (data: object) => `id: end\nevent: end\ndata: ${JSON.stringify(data)}\n\n`;

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const WHOLE =
  `retry: 1000\n\n${state('STARTED')}${chunk('0.0', 'Grüße, ')}${chunk('0.1', '🌱\n')}` +
  `: ping\n\n${state('SUCCESS')}${end({ state: 'SUCCESS', value: { words: 2 } })}`;

describe('follow() of the browser', () => {
  it('gives the chunks, the states and the value, and leaves by itself', async () => {
    const server = new Server({ body: WHOLE, open: true });
    const task = server.follow<{ words: number }, string>();
    assert.deepEqual(await all(task), ['Grüße, ', '🌱\n']);
    assert.deepEqual(await task.done, { words: 2 });
    assert.deepEqual(await all(task.updates()), [
      { state: 'STARTED', meta: undefined },
      { state: 'SUCCESS', meta: undefined },
    ]);
    // However late a loop begins.
    assert.deepEqual(await all(task.entries()), [
      { index: 0, attempt: 0, chunk: 'Grüße, ' },
      { index: 1, attempt: 0, chunk: '🌱\n' },
    ]);
    assert.deepEqual([server.lastIds.length, server.aborted > 0], [1, true]);
  });

  it('reads what comes in pieces, split anywhere, with either end of lines', async () => {
    for (const text of [WHOLE, WHOLE.replaceAll('\n', '\r\n').replaceAll('\\r\\n', '\\n')]) {
      const bytes = new TextEncoder().encode(text);
      const task = new Server({ body: Array.from(bytes, (byte) => Uint8Array.of(byte)) }).follow();
      assert.deepEqual(await all(task), ['Grüße, ', '🌱\n']);
    }
  });

  it('goes on after the last chunk when the connection breaks, and says nothing twice', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const server = new Server(
      { body: state('STARTED') + chunk('0.0', 'a') + chunk('0.1', 'b') },
      { fails: true },
      { status: 503 },
      { status: 429 },
      // A server that knows no places begins anew; half an event is none.
      {
        body: `${state('STARTED')}${chunk('0.0', 'a')}${chunk('0.1', 'b')}${chunk('0.2', 'c')}id: 0.3\ndata: {`,
      },
      { body: chunk('0.3', 'd') + state('SUCCESS') + end({ state: 'SUCCESS' }) },
    );
    const task = server.follow();
    let over = false;
    const ended = task.done.finally(() => {
      over = true;
    });
    while (!over) {
      await new Promise((resolve) => setImmediate(resolve));
      t.mock.timers.tick(500);
    }
    await ended;
    assert.deepEqual(await all(task), ['a', 'b', 'c', 'd']);
    assert.deepEqual(
      (await all(task.updates())).map((update) => update.state),
      ['STARTED', 'SUCCESS'],
    );
    assert.deepEqual(server.lastIds, [undefined, '0.1', '0.1', '0.1', '0.1', '0.2']);
  });

  it('begins anew with the task', async () => {
    const server = new Server({
      body: [
        state('STARTED') + chunk('0.0', 'old') + chunk('0.1', 'old'),
        state('RETRY') + state('STARTED', 1) + chunk('1.0', 'new') + end({ state: 'SUCCESS' }),
      ].map((text) => new TextEncoder().encode(text)),
    });
    const task = server.follow();
    await task.done;
    assert.deepEqual(await all(task.entries()), [{ index: 0, attempt: 1, chunk: 'new' }]);
  });

  it('rejects with the error of the task, by its name, after its last chunk', async () => {
    const error = { name: 'RangeError', message: 'no more' };
    const server = new Server({
      body: state('STARTED') + chunk('0.0', 1) + end({ state: 'FAILURE', error }),
    });
    const task = server.follow();
    await assert.rejects(task.done, error);
    const seen: unknown[] = [];
    await assert.rejects(async () => {
      for await (const value of task) seen.push(value);
    }, error);
    assert.deepEqual(seen, [1]);
    assert.equal((await all(task.updates())).length, 1);
  });

  it('ends where it is refused, and says why', async () => {
    const refused = (status: number, answer: unknown) =>
      new Server({ status, body: JSON.stringify(answer), type: 'application/json' });
    for (const [server, error] of [
      [
        refused(404, { code: 'UNKNOWN_TASK', message: 'gone' }),
        { name: 'UnknownTaskError', code: 'UNKNOWN_TASK', message: 'gone' },
      ],
      [
        refused(403, { code: 'FORBIDDEN', message: 'no' }),
        { name: 'FollowError', code: 'FORBIDDEN', status: 403 },
      ],
      [refused(401, 'what?'), { name: 'FollowError', message: 'The server answered 401' }],
      [
        new Server({ body: '<!doctype html>', type: 'text/html' }),
        { message: /is no event stream \(status 200\)/ },
      ],
    ] as const) {
      const task = server.follow();
      await assert.rejects(task.done, error);
      await assert.rejects(all(task), error);
      await assert.rejects(all(task.updates()), error);
      assert.equal(server.lastIds.length, 1);
    }
    await assert.rejects(follow('/without a host').done, {
      name: 'FollowError',
      message: '/without a host is no address',
    });
  });

  it('leaves when it is closed: loops end, and the connection with them', async () => {
    const server = new Server({ body: state('STARTED') + chunk('0.0', 'a'), open: true });
    const task = server.follow();
    const loop = task[Symbol.asyncIterator]();
    assert.deepEqual(await loop.next(), { done: false, value: 'a' });
    const waiting = loop.next();
    task.close();
    task.close();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    await assert.rejects(task.done, { name: 'AbortError' });
    assert.deepEqual([server.lastIds.length, server.aborted > 0], [1, true]);
  });

  it('takes a silent connection for a lost one, also if its body never ends', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const server = new Server(
      { body: state('STARTED') + chunk('0.0', 'a'), open: true, deaf: true },
      { body: chunk('0.1', 'b') + end({ state: 'SUCCESS' }), open: true, deaf: true },
    );
    const task = server.follow();
    let over = false;
    void task.done.finally(() => {
      over = true;
    });
    let seconds = 0;
    for (; !over; seconds++) {
      await new Promise((resolve) => setImmediate(resolve));
      t.mock.timers.tick(1000);
    }
    assert.deepEqual(await all(task), ['a', 'b']);
    assert.deepEqual(server.lastIds, [undefined, '0.0']);
    assert(seconds >= 45 && seconds < 60, `${seconds} s`);
  });

  it('leaves when its signal aborts, with the reason of that', async () => {
    const server = new Server({ body: state('STARTED'), open: true });
    const leaving = new AbortController();
    const task = server.follow({ signal: leaving.signal });
    await task.updates().next();
    leaving.abort(new Error('the page is left'));
    await assert.rejects(all(task), { message: 'the page is left' });
    await assert.rejects(task.done, { message: 'the page is left' });
    const late = new Server({ body: WHOLE });
    await assert.rejects(late.follow({ signal: AbortSignal.abort(new Error('never')) }).done, {
      message: 'never',
    });
    assert.equal(late.lastIds.length, 0);
  });
});
