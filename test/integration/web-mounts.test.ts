/** The page in the frameworks people have, each mounted as the guide shows. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Celeriac } from 'celeriac';
import { type WebHandler, web } from 'celeriac/web';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { uniqueName } from '../support/app.js';

type Ask = (path: string, init?: RequestInit) => Promise<Response>;

/** What holds for every mount. */
async function checkMount(ask: Ask, mount: string, origin: string): Promise<void> {
  const redirected = await ask(mount, { redirect: 'manual' });
  if (mount !== '') {
    assert.equal(redirected.status, 308);
    assert.equal(redirected.headers.get('location'), `${mount}/`);
  }
  const index = await ask(`${mount}/`);
  const html = await index.text();
  assert.equal(index.status, 200);
  assert(html.includes(`<base href="${mount}/">`), html);
  const [, script = ''] = /src="(assets\/[^"]+\.js)"/.exec(html) ?? [];
  const file = await ask(`${mount}/${script}`);
  assert.match(file.headers.get('cache-control') ?? '', /immutable/);
  assert.match(file.headers.get('content-type') ?? '', /javascript/);
  assert((await file.text()).length > 1_000);
  const overview = (await (await ask(`${mount}/api/v1/overview`)).json()) as { app: string };
  assert.equal(overview.app, 'mounted');
  const call = (headers: Record<string, string>) =>
    ask(`${mount}/api/v1/tasks/mail.send/call`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ args: ['grüße', mount] }),
    });
  const called = await call({ origin });
  assert.equal(called.status, 200, await called.clone().text());
  const { id } = (await called.json()) as { id: string };
  const run = await ask(`${mount}/api/v1/runs/${encodeURIComponent(id)}`);
  assert.deepEqual(((await run.json()) as { argsFull: unknown }).argsFull, ['grüße', mount]);
  assert.equal((await call({ origin: 'http://elsewhere.example' })).status, 403);
  const events = await ask(`${mount}/api/v1/events`);
  assert.equal(events.headers.get('content-type'), 'text/event-stream');
  const reader = events.body?.getReader();
  assert.match(new TextDecoder().decode((await reader?.read())?.value), /^retry: /);
  await reader?.cancel();
  const missing = await ask(`${mount}/api/v1/nothing`);
  assert.deepEqual([missing.status, ((await missing.json()) as { code: string }).code], [404, 'NOT_FOUND']);
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function checkServer(server: Server, mount: string): Promise<void> {
  const origin = addressOf(server);
  await checkMount((path, init) => fetch(origin + path, init), mount, origin);
}

describe('The page is mounted', () => {
  const withPage =
    (options: { basePath?: string }, body: (page: WebHandler) => Promise<void>) => async () => {
      const app = new Celeriac('mounted', { broker: `memory://${uniqueName()}`, migrate: true });
      const page = web(app, options);
      try {
        await body(page);
      } finally {
        await page.close();
        await app.close();
      }
    };

  it(
    'in node:http, at the root and below',
    withPage({}, async (page) => {
      const server = createServer(page.node).listen(0, '127.0.0.1');
      await once(server, 'listening');
      await checkServer(server, '');
      server.closeAllConnections();
      server.close();
    }),
  );

  it(
    'in Express 5, with and without a parser of bodies before it',
    withPage({}, async (page) => {
      const own = express();
      own.use('/queues', page.node);
      own.use(express.json());
      own.use('/parsed', page.node);
      const server = own.listen(0, '127.0.0.1');
      await once(server, 'listening');
      await checkServer(server, '/queues');
      await checkServer(server, '/parsed');
      server.closeAllConnections();
      server.close();
    }),
  );

  it(
    'in Fastify 5',
    withPage({ basePath: '/queues' }, async (page) => {
      const own = fastify();
      await own.register(async (scope) => {
        scope.removeAllContentTypeParsers();
        scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
        scope.all('/queues', (request, reply) => page.node(request.raw, reply.hijack().raw));
        scope.all('/queues/*', (request, reply) => page.node(request.raw, reply.hijack().raw));
      });
      await own.listen({ port: 0, host: '127.0.0.1' });
      await checkServer(own.server, '/queues');
      own.server.closeAllConnections();
      await own.close();
    }),
  );

  it(
    'in Hono 4',
    withPage({ basePath: '/queues' }, async (page) => {
      const own = new Hono();
      own.all('/queues/*', (c) => page.fetch(c.req.raw));
      const origin = 'http://localhost';
      await checkMount(async (path, init) => own.fetch(new Request(origin + path, init)), '/queues', origin);
    }),
  );

  it(
    'in Nest 12',
    withPage({}, async (page) => {
      class Root {}
      Module({})(Root);
      const nest = await NestFactory.create(Root, { logger: false });
      nest.use('/queues', page.node);
      await nest.listen(0, '127.0.0.1');
      await checkServer(nest.getHttpServer() as Server, '/queues');
      nest.getHttpServer().closeAllConnections();
      await nest.close();
    }),
  );
});
