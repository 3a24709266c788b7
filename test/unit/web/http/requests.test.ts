import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { placeOf } from '#src/web/http/node-bridge.js';
import { PageFiles } from '#src/web/http/page-files.js';
import { Refusal } from '#src/web/http/refusal.js';
import { readBody } from '#src/web/http/request-body.js';
import { type Route, Router } from '#src/web/http/router.js';

const json = { 'content-type': 'application/json' };

async function body(given: string | undefined, headers: Record<string, string> = json): Promise<unknown> {
  const request = new Request('http://x/', {
    method: 'POST',
    headers,
    ...(given !== undefined && { body: given }),
  });
  try {
    return await readBody(request);
  } catch (error) {
    assert(error instanceof Refusal);
    return `${error.status} ${error.reason}`;
  }
}

describe('The body of a request', () => {
  it('is a JSON object, or nothing', async () => {
    assert.deepEqual(await body('{"a":1}'), { a: 1 });
    assert.deepEqual(await body('{"a":1}', { 'content-type': 'application/json; charset=utf-8' }), { a: 1 });
    assert.deepEqual(await body(undefined, {}), {});
    assert.deepEqual(await body(undefined), {});
  });

  it('is refused in any other form', async () => {
    for (const text of ['[]', '1', '"a"', 'null', '{', '{"a":1}}'])
      assert.equal(await body(text), '400 BAD_BODY', text);
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/jsonp',
      'multipart/form-data',
    ])
      assert.equal(await body('{"a":1}', { 'content-type': type }), '415 UNSUPPORTED_TYPE', type);
    assert.equal(await body(`{"a":"${'x'.repeat(4 * 2 ** 20)}"}`), '413 BODY_TOO_LARGE');
  });
});

describe('The router', () => {
  const route = (method: Route<string>['method'], path: string): Route<string> => ({
    method,
    path,
    action: 'read',
    handle: path,
  });
  const router = new Router([
    route('POST', '/runs/retry'),
    route('GET', '/runs/{id}'),
    route('DELETE', '/runs/{id}'),
    route('POST', '/runs/{id}/retry'),
    route('GET', '/openapi.json'),
  ]);

  it('finds a route by its method and its path, with the names decoded', () => {
    const found = router.find('GET', '/runs/a%2Fb%40c');
    assert(found.kind === 'route');
    assert.deepEqual([found.route.path, found.params.get('id')], ['/runs/{id}', 'a/b@c']);
    const head = router.find('HEAD', '/runs/retry');
    assert(head.kind === 'route' && head.route.path === '/runs/{id}');
    const post = router.find('POST', '/runs/retry');
    assert(post.kind === 'route' && post.route.path === '/runs/retry');
  });

  it('says which methods there are instead, and knows nothing else', () => {
    assert.deepEqual(router.find('PUT', '/runs/a'), { kind: 'other method', methods: ['GET', 'DELETE'] });
    for (const path of ['/runs', '/runs/', '/runs/a/b', '/runs/%zz', '/openapixjson', '//runs/a', '/runs/a/'])
      assert.equal(router.find('GET', path).kind, 'nothing', path);
  });
});

describe('The mount', () => {
  const place = (url: string, originalUrl?: string) =>
    placeOf({ url, ...(originalUrl !== undefined && { originalUrl }) } as unknown as IncomingMessage);

  it('is what a router has cut off the URL', () => {
    assert.deepEqual(place('/api/v1/runs?a=/b'), { url: '/api/v1/runs?a=/b' });
    assert.deepEqual(place('/api?x=1', '/queues/api?x=1'), { url: '/queues/api?x=1', mount: '/queues' });
    assert.deepEqual(place('/', '/queues'), { url: '/queues', mount: '/queues' });
    assert.deepEqual(place('/', '/queues/'), { url: '/queues/', mount: '/queues' });
    assert.deepEqual(place('/?a', '/queues?a'), { url: '/queues?a', mount: '/queues' });
    assert.deepEqual(place('/a', '/a'), { url: '/a' });
    assert.deepEqual(place('/other', '/rewritten'), { url: '/rewritten' });
  });
});

describe('The files of the page', () => {
  it('are a plain word where they were not built, and never text of the mount as markup', async () => {
    const files = new PageFiles({ app: '"><script>' }, '/nowhere');
    const page = files.answer('', '/a"><script>', new Request('http://x/'));
    const html = (await page?.text()) ?? '';
    assert(html.includes('<base href="/a&#34;&#62;&#60;script&#62;/">'), html);
    assert(!html.includes('<script>'));
    assert.match(page?.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.equal(files.answer('assets/app.js', '', new Request('http://x/')), undefined);
    assert.equal(files.answer('../../package.json', '', new Request('http://x/')), undefined);
  });

  it('are compressed for who takes that, but not through Next, which loses the mark of it', () => {
    const files = new PageFiles({}, '/nowhere');
    const long = `/${'x'.repeat(2_000)}`;
    const request = new Request('http://x/', { headers: { 'accept-encoding': 'gzip, br' } });
    assert.equal(files.answer('', long, request)?.headers.get('content-encoding'), 'gzip');
    const ofNext = Object.assign(request, { nextUrl: new URL('http://x/') });
    assert.equal(files.answer('', long, ofNext)?.headers.get('content-encoding'), null);
  });
});
