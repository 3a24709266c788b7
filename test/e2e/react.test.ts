/** `useTask` and a plain EventSource in a real browser, against a real app. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type FollowHandler, follow, followToken } from 'celeriac/web';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { gate, startWorker, testApp, until } from '../support/app.js';
import { openPage, startBrowser } from '../support/browser.js';
import { serve } from '../support/follow-server.js';
import { ROOT } from '../support/installed.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const SECRET = 'a secret for these tests';

/** Shows what the hook gives, as JSON; `show(url)` and `leave()` are the page's owner. */
const PAGE = `
import { createElement as h, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { useTask } from 'celeriac/react';

window.renders = 0;
function Task({ url }) {
  const { error, ...task } = useTask(url);
  window.renders++;
  return h('output', null, JSON.stringify({ ...task, error: error && error.name + ': ' + error.message }));
}
const root = createRoot(document.querySelector('main'));
window.show = (url) => root.render(h(StrictMode, null, h(Task, { url })));
window.leave = () => root.unmount();
window.show(null);
`;

/** What a page of ours has on its window. */
interface Window {
  show(url: string | null): void;
  leave(): void;
  readonly renders: number;
}

interface Shown {
  readonly state?: string;
  readonly meta?: unknown;
  readonly chunks: readonly unknown[];
  readonly value?: unknown;
  readonly error?: string;
}

describe('a task in a browser', () => {
  let script = '';
  let browser: Browser;
  let redis: RedisServer;
  const ends: (() => unknown)[] = [];
  before(async () => {
    const { outputFiles } = await build({
      stdin: { contents: PAGE, resolveDir: ROOT, loader: 'js' },
      bundle: true,
      write: false,
      format: 'esm',
      define: { 'process.env.NODE_ENV': '"development"' },
      logLevel: 'error',
    });
    script = outputFiles[0]?.text ?? '';
    redis = await startRedis();
    ends.push(() => redis.close());
    browser = await startBrowser({ after: (end) => void ends.push(end as () => unknown) });
  });
  after(async () => {
    for (const end of ends) await end();
  });

  /** A worker, and a server with the page and the tasks. */
  async function setUp(t: TestContext) {
    const { app } = testApp(t, { broker: redis.url });
    const handler: FollowHandler = follow(app, { secret: SECRET });
    let streams = 0;
    let requests = 0;
    const server = await serve(t, (request: IncomingMessage, response: ServerResponse) => {
      if (request.url?.startsWith('/follow/')) {
        requests++;
        streams++;
        response.once('close', () => streams--);
        return void handler.node(request, response);
      }
      const isScript = request.url === '/page.js';
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
      response.end(
        isScript ? script : '<!doctype html><main></main><script type="module" src="/page.js"></script>',
      );
    });
    await startWorker(app);
    const page = await openPage(t, server.url, { browser });
    return {
      app,
      server,
      page,
      streams: () => streams,
      requests: () => requests,
      urlOf: (result: { readonly id: string }) => `/follow/${followToken(result, { secret: SECRET })}`,
    };
  }

  const show = (page: Page, url: string | null) =>
    page.evaluate((to) => (globalThis as unknown as Window).show(to), url);
  const shown = async (page: Page) => JSON.parse((await page.textContent('output')) ?? '') as Shown;
  const showing = async (page: Page, matches: (task: Shown) => boolean, what: string): Promise<Shown> => {
    let task: Shown = { chunks: [] };
    await until(async () => {
      task = await shown(page);
      return matches(task);
    }, what);
    return task;
  };

  it('is shown by useTask while it runs, each chunk once although React is strict', async (t) => {
    const { app, page, streams, requests, urlOf } = await setUp(t);
    assert.deepEqual(await shown(page), { chunks: [] });
    const go = gate();
    const words = app.task('words', async function* (this) {
      yield 'one ';
      yield 'two ';
      await this.updateState('HALFWAY', { percent: 50 });
      await go.opened;
      for (let i = 0; i < 500; i++) yield `${i} `;
      return { words: 502 };
    });
    await show(page, urlOf(await words.delay()));
    const half = await showing(
      page,
      ({ state, chunks }) => state === 'HALFWAY' && chunks.length === 2,
      'the half',
    );
    assert.deepEqual(half, { state: 'HALFWAY', meta: { percent: 50 }, chunks: ['one ', 'two '] });
    assert.deepEqual([streams(), requests()], [1, 1]);
    const before = await page.evaluate(() => (globalThis as unknown as Window).renders);
    go.open();
    const whole = await showing(page, ({ value }) => value !== undefined, 'the value');
    assert.deepEqual(whole.value, { words: 502 });
    assert.deepEqual(whole.chunks, ['one ', 'two ', ...Array.from({ length: 500 }, (_, i) => `${i} `)]);
    assert.equal(whole.state, 'SUCCESS');
    const renders = (await page.evaluate(() => (globalThis as unknown as Window).renders)) - before;
    assert(renders < 400, `${renders} renders of 500 chunks`);
    await until(() => streams() === 0, 'the end of the stream');
  });

  it('is left with the component, and for another task', async (t) => {
    const { app, page, streams, urlOf } = await setUp(t);
    const go = gate();
    const slow = app.task('slow', async function* (name: string) {
      yield name;
      await go.opened;
      return name;
    });
    const first = urlOf(await slow.delay('first'));
    const second = urlOf(await slow.delay('second'));
    await show(page, first);
    await showing(page, ({ chunks }) => chunks[0] === 'first', 'the first');
    await show(page, second);
    await showing(page, ({ chunks }) => chunks[0] === 'second', 'the second');
    await until(() => streams() === 1, 'the end of the first stream');
    await show(page, null);
    assert.deepEqual(await shown(page), { chunks: [] });
    await until(() => streams() === 0, 'the end of the second stream');
    await show(page, second);
    await showing(page, ({ chunks }) => chunks[0] === 'second', 'the second, again');
    await page.evaluate(() => (globalThis as unknown as Window).leave());
    await until(() => streams() === 0, 'the end of all streams');
    go.open();
  });

  it('survives a server that is away, and shows errors', async (t) => {
    const { app, page, server, urlOf } = await setUp(t);
    const go = gate();
    const fails = app.task('fails', async function* () {
      yield 1;
      await go.opened;
      yield 2;
      throw new RangeError('no more');
    });
    await show(page, urlOf(await fails.delay()));
    await showing(page, ({ chunks }) => chunks.length === 1, 'the first chunk');
    await server.stop();
    go.open();
    await server.start();
    const end = await showing(page, ({ error }) => error !== undefined, 'the error');
    assert.deepEqual(end, { state: 'FAILURE', chunks: [1, 2], error: 'RangeError: no more' });
    await show(page, '/follow/forged');
    const refused = await showing(
      page,
      ({ error }) => error?.startsWith('FollowError') === true,
      'the refusal',
    );
    assert.deepEqual(refused.chunks, []);
  });

  it('is heard by a plain EventSource, which connects again by itself and stops at the end', async (t) => {
    const { app, page, server, requests, urlOf } = await setUp(t);
    const go = gate();
    const task = app.task('task', async function* () {
      yield 'a';
      await go.opened;
      yield 'b';
      return 'end';
    });
    const url = urlOf(await task.delay());
    await page.evaluate((from) => {
      const heard: string[] = [];
      const source = new (
        globalThis as unknown as { EventSource: new (url: string) => EventTarget }
      ).EventSource(from);
      for (const type of ['chunk', 'end', 'error'])
        source.addEventListener(type, (event) => {
          const { data } = event as Event & { data?: string };
          if (data !== undefined) heard.push(`${type} ${data}`);
        });
      Object.assign(globalThis, { heard, source });
    }, url);
    const heard = () => page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard);
    await until(async () => (await heard()).length === 1, 'the first chunk');
    server.cut();
    go.open();
    await until(async () => (await heard()).length === 3, 'the end');
    assert.deepEqual(await heard(), [
      'chunk {"index":0,"value":"a"}',
      'chunk {"index":1,"value":"b"}',
      'end {"state":"SUCCESS","value":"end"}',
    ]);
    const CLOSED = 2;
    await until(
      () =>
        page.evaluate(
          (closed) =>
            (globalThis as unknown as { source: { readyState: number } }).source.readyState === closed,
          CLOSED,
        ),
      'the last word to the browser',
    );
    assert.equal(requests(), 3);
  });
});
