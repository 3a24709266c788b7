/** One task as a browser hears of it: over Node's own server, through cuts, restarts and servers that are away. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { isCeleriacError } from 'celeriac';
import { follow as followed } from 'celeriac/client';
import { follow, followToken } from 'celeriac/web';
import { Redis } from 'ioredis';
import { type Ground, gate, onEveryEngine, pause, testApp, until, within } from '../support/app.js';
import { eventsOf, type SentEvent, serve } from '../support/follow-server.js';
import { startRedis } from '../support/redis.js';

const SECRET = 'a secret for these tests';
const tokenOf = (result: { readonly id: string }) => followToken(result, { secret: SECRET });

/** An app with a worker, and a server of another process's app in front of it. */
async function setUp(t: TestContext, ground: Ground, options: { origins?: string[] } = {}) {
  const { app, worker, twin, lines, prefix } = ground.app(t);
  const handler = follow(twin(), { secret: SECRET, ...options });
  const server = await serve(t, (request, response) => void handler.node(request, response));
  await worker();
  return {
    app,
    handler,
    lines,
    prefix,
    server,
    urlOf: (result: { readonly id: string }) => `${server.url}/any/where/${tokenOf(result)}`,
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The events up to the first that matches. */
async function upTo(
  url: string,
  matches: (event: SentEvent) => boolean,
  headers: Record<string, string> = {},
) {
  const found: SentEvent[] = [];
  for await (const event of eventsOf(await fetch(url, { headers }))) {
    found.push(event);
    if (matches(event)) break;
  }
  return found;
}

describe('follow', () => {
  onEveryEngine((ground) => {
    it('sends states, chunks, the last state and the end, in this order', async (t) => {
      const { app, urlOf } = await setUp(t, ground);
      const go = gate();
      const count = app.task('count', async function* (this) {
        yield 'a';
        await this.updateState('COUNTING', { at: 1 });
        await go.opened;
        yield { deep: [1, null] };
        yield undefined;
        return { n: 3 };
      });
      const result = await count.delay();
      const response = await fetch(urlOf(result));
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
      assert.equal(response.headers.get('cache-control'), 'no-store, no-transform');
      assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
      const events: SentEvent[] = [];
      for await (const event of eventsOf(response)) {
        events.push(event);
        if (event.data.state === 'COUNTING') go.open();
      }
      assert.deepEqual(
        events.filter(({ event }) => event !== 'state'),
        [
          { event: 'chunk', id: '0.0', data: { index: 0, value: 'a' } },
          { event: 'chunk', id: '0.1', data: { index: 1, value: { deep: [1, null] } } },
          { event: 'chunk', id: '0.2', data: { index: 2 } },
          { event: 'end', id: 'end', data: { state: 'SUCCESS', value: { n: 3 } } },
        ],
      );
      assert.equal(events[0]?.event, 'state');
      assert.deepEqual(events.at(-2), {
        event: 'state',
        data: { state: 'SUCCESS', meta: { at: 1 }, attempt: 0 },
      });
      assert.ok(events.some(({ data }) => data.state === 'COUNTING'));
      // Once more, however late, and from where it was.
      const late = await upTo(urlOf(result), () => false);
      const chunks = events.filter(({ event }) => event === 'chunk');
      assert.deepEqual(late.slice(-5), [...chunks, ...events.slice(-2)]);
      const rest = await upTo(urlOf(result), () => false, { 'last-event-id': '0.1' });
      assert.deepEqual(
        rest.filter(({ event }) => event === 'chunk').map(({ id }) => id),
        ['0.2'],
      );
      const asked = await upTo(`${urlOf(result)}?lastEventId=0.0`, () => false);
      assert.deepEqual(
        asked.filter(({ event }) => event === 'chunk').map(({ id }) => id),
        ['0.1', '0.2'],
      );
      // A browser that has the end stops asking.
      assert.equal((await fetch(urlOf(result), { headers: { 'last-event-id': 'end' } })).status, 204);
    });

    it('sends the error of a task by its name, without its stack', async (t) => {
      const { app, urlOf } = await setUp(t, ground);
      const fails = app.task('fails', async function* () {
        yield 'last words';
        throw new RangeError('no more');
      });
      const result = await fails.delay();
      const events = await upTo(urlOf(result), () => false);
      assert.deepEqual(events.slice(-3), [
        { event: 'chunk', id: '0.0', data: { index: 0, value: 'last words' } },
        { event: 'state', data: { state: 'FAILURE', attempt: 0 } },
        {
          event: 'end',
          id: 'end',
          data: { state: 'FAILURE', error: { name: 'RangeError', message: 'no more' } },
        },
      ]);
      await assert.rejects(followed(urlOf(result)).done, { name: 'RangeError', message: 'no more' });

      const never = await fails.applyAsync([], { countdown: '1h' });
      const waiting = followed(urlOf(never));
      assert.equal((await waiting.updates().next()).value?.state, 'PENDING');
      await never.revoke({ reason: 'not wanted' });
      await assert.rejects(waiting.done, { name: 'TaskRevokedError', message: /was revoked: not wanted/ });
    });

    it('says that a task began again before the first chunk of that, also to a browser that comes back', async (t) => {
      const { app, urlOf } = await setUp(t, ground);
      const go = gate();
      const twice = app.task('twice', { retryJitter: false }, async function* (this) {
        const { retries } = this.request;
        for (let i = 0; i < 3 - 2 * retries; i++) yield `${retries} ${i}`;
        if (retries > 0) return 'done';
        await go.opened;
        return this.retry({ countdown: 0 });
      });
      const result = await twice.delay();
      const task = followed<string, string>(urlOf(result));
      const entries = task.entries();
      for (let i = 0; i < 3; i++) assert.equal((await entries.next()).value?.chunk, `0 ${i}`);
      go.open();
      assert.deepEqual(await all(entries), [{ index: 0, attempt: 1, chunk: '1 0' }]);
      assert.equal(await task.done, 'done');
      const back = await upTo(urlOf(result), () => false, { 'last-event-id': '0.2' });
      const chunk = back.findIndex(({ event }) => event === 'chunk');
      assert.deepEqual(back[chunk], { event: 'chunk', id: '1.0', data: { index: 0, value: '1 0' } });
    });

    it('goes on after the last chunk when connections are cut, servers are away, and the first chunks are dropped', async (t) => {
      const { app, server, urlOf } = await setUp(t, ground);
      let at = gate();
      const many = app.task('many', { streamMaxChunks: 100 }, async function* () {
        for (let i = 0; i < 400; i++) {
          if (i % 100 === 50) await at.opened;
          yield i;
        }
        return 'all';
      });
      const result = await many.delay();
      const task = followed<string, number>(urlOf(result));
      const seen: number[] = [];
      for await (const { index, attempt, chunk } of task.entries()) {
        assert.deepEqual([index, attempt], [chunk, 0]);
        seen.push(chunk);
        if (chunk === 49) {
          server.cut();
          at.open();
          at = gate();
        } else if (chunk === 149) {
          await server.stop();
          at.open();
          at = gate();
          await server.start();
        } else if (chunk === 249) at.open();
      }
      assert.equal(await task.done, 'all');
      assert.equal(new Set(seen).size, seen.length);
      assert.equal(seen.at(-1), 399);
      const late = await all(followed<string, number>(urlOf(result)));
      assert.deepEqual(
        late,
        Array.from({ length: 100 }, (_, i) => 300 + i),
      );
    });

    it('lets in with a token of its own, and says nothing else', async (t) => {
      const { app, server, urlOf } = await setUp(t, ground);
      const plain = app.task('plain', async () => 'value');
      const result = await plain.delay();
      const answers = async (url: string, init?: RequestInit) => {
        const response = await fetch(url, init);
        return [response.status, ((await response.json()) as { code: string }).code];
      };
      const other = followToken(result, { secret: 'another secret, of others' });
      const expired = followToken(result, { secret: SECRET, expires: new Date(0) });
      for (const token of [other, expired, result.id, '%', '..%2f..', ''])
        assert.deepEqual(await answers(`${server.url}/${token}`), [403, 'FORBIDDEN'], token);
      assert.deepEqual(await answers(urlOf({ id: 'never-sent' })), [404, 'UNKNOWN_TASK']);
      assert.deepEqual(await answers(urlOf(result), { method: 'POST' }), [405, 'METHOD_NOT_ALLOWED']);
      assert.equal((await fetch(urlOf(result))).headers.get('access-control-allow-origin'), null);
      await assert.rejects(followed(urlOf({ id: 'never-sent' })).done, { name: 'UnknownTaskError' });
      await assert.rejects(followed(`${server.url}/${expired}`).done, {
        name: 'FollowError',
        code: 'FORBIDDEN',
      });
    });

    it('answers pages of the origins it was given, and their preflights', async (t) => {
      const { app, urlOf } = await setUp(t, ground, { origins: ['https://shop.example'] });
      const result = await app.task('plain', async () => 1).delay();
      const allowed = async (origin: string, method = 'GET') => {
        const { status, headers } = await fetch(urlOf(result), { method, headers: { origin } });
        return [status, headers.get('access-control-allow-origin'), headers.get('vary')];
      };
      assert.deepEqual(await allowed('https://shop.example'), [200, 'https://shop.example', 'origin']);
      assert.deepEqual(await allowed('https://shop.example', 'OPTIONS'), [
        204,
        'https://shop.example',
        'origin',
      ]);
      assert.deepEqual(await allowed('https://shop.example.evil'), [200, null, 'origin']);
    });

    it('ends for a task that leaves no result, and for one that is forgotten meanwhile', async (t) => {
      const { app, urlOf } = await setUp(t, ground);
      const go = gate();
      const silent = app.task('silent', { ignoreResult: true }, async () => void (await go.opened));
      const task = followed(urlOf(await silent.delay()));
      assert.ok((await task.updates().next()).value);
      go.open();
      assert.equal(await task.done, undefined);
      const again = gate();
      const forgotten = await app.task('forgotten', async () => void (await again.opened)).delay();
      const waiting = followed(urlOf(forgotten));
      await waiting.updates().next();
      await forgotten.forget();
      again.open();
      // Whether the end is seen before the record goes is chance.
      await waiting.done.catch((error: Error) => assert.equal(error.name, 'UnknownTaskError'));
      await until(async () => !(await forgotten.exists()), 'the end of its record');
      await assert.rejects(followed(urlOf(forgotten)).done, { name: 'UnknownTaskError' });
    });

    it('ends its streams when it is closed, and says when to come again', async (t) => {
      const { app, handler, urlOf } = await setUp(t, ground);
      const result = await app.task('never', async () => 1).applyAsync([], { countdown: '1h' });
      const response = await fetch(urlOf(result));
      const events = eventsOf(response);
      await events.next();
      await handler.close();
      await handler.close();
      assert.equal((await events.next()).done, true);
      assert.equal((await fetch(urlOf(result))).status, 503);
    });
  });

  it('answers web requests, and asks for nothing while its body is not read', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const { app, worker } = testApp(t, { broker: redis.url });
    await worker();
    const many = app.task('many', async function* () {
      for (let i = 0; i < 1000; i++) yield 'x'.repeat(1000);
    });
    const result = await many.delay();
    await result.get();
    const handler = follow(app, { secret: SECRET });
    const response = await handler.fetch(new Request(`http://any.example/${tokenOf(result)}`));
    const reader = response.body?.getReader();
    assert.ok(reader);
    const read = async () => new TextDecoder().decode((await reader.read()).value as Uint8Array);
    assert.equal(await read(), 'retry: 1000\n\n');
    assert.match(await read(), /^id: 0\.0\n/);
    await reader.cancel();
    const leaving = new AbortController();
    const { signal } = leaving;
    const waiting = await app.task('later', async () => 1).applyAsync([], { countdown: '1h' });
    const request = new Request(`http://any.example/${tokenOf(waiting)}`, { signal });
    const events = eventsOf(await handler.fetch(request));
    await events.next();
    leaving.abort();
    assert.equal((await events.next()).done, true);
  });

  it('leaves nothing behind in the broker of a browser that has left', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const { app, twin } = testApp(t, { broker: redis.url });
    const handler = follow(twin(), { secret: SECRET });
    const server = await serve(t, (request, response) => void handler.node(request, response));
    const observer = new Redis(redis.url);
    t.after(() => observer.disconnect());
    const channels = async () =>
      ((await observer.pubsub('CHANNELS', '*')) as string[]).filter((name) => !name.endsWith('~events'))
        .length;
    const clients = async () => ((await observer.client('LIST')) as string).trim().split('\n').length;
    const later = app.task('later', async () => 1);
    const results = await Promise.all(
      Array.from({ length: 20 }, () => later.applyAsync([], { countdown: '1h' })),
    );
    const open = async () => {
      const tabs = results.map((result) => followed(`${server.url}/${tokenOf(result)}`));
      await Promise.all(tabs.map((tab) => tab.updates().next()));
      return tabs;
    };
    const tabs = await open();
    const connected = await clients();
    assert.ok((await channels()) > 0);
    tabs.push(...(await open()));
    assert.equal(await clients(), connected, 'one connection listens, however many tabs there are');
    for (const tab of tabs) tab.close();
    await until(async () => (await channels()) === 0, 'the end of all subscriptions');
  });

  it('waits with its browsers while the broker is away', async (t) => {
    const redis = await startRedis(['--appendonly', 'yes']);
    t.after(() => redis.close());
    const { app, worker } = testApp(t, { broker: redis.url });
    const go = gate();
    const late = app.task('late', async () => {
      await go.opened;
      return 'after all';
    });
    await worker();
    const handler = follow(app, { secret: SECRET });
    const server = await serve(t, (request, response) => void handler.node(request, response));
    const result = await late.delay();
    const task = followed(`${server.url}/${tokenOf(result)}`);
    await task.updates().next();
    await redis.stop();
    const other = followed(`${server.url}/${tokenOf(result)}`);
    await pause(200);
    await redis.start();
    go.open();
    assert.equal(await within(task.done, 'the value'), 'after all');
    assert.equal(await within(other.done, 'the value, for who came meanwhile'), 'after all');
  });

  it('refuses options that nobody could mean', (t) => {
    const { app } = testApp(t, { broker: 'memory://' });
    const wrong = (made: () => unknown, message: RegExp) =>
      assert.throws(made, (error) => isCeleriacError(error, 'OPTION') && message.test(error.message));
    wrong(() => follow({} as never, { secret: SECRET }), /give the app/);
    wrong(() => follow(app, { secret: 'short' }), /16 random bytes/);
    wrong(() => follow(app, {} as never), /secret must be/);
    wrong(() => follow(app, { secret: SECRET, origin: '*' } as never), /Did you mean "origins"/);
    for (const origins of [
      'shop.example',
      ['https://shop.example/'],
      ['https://shop.example:443'],
      [5 as never],
    ])
      wrong(() => follow(app, { secret: SECRET, origins }), /origins must be/);
  });
});
