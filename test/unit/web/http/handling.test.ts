import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerUnavailableError, Celeriac, CeleriacError, OptionError, UnknownTaskError } from 'celeriac';
import { type WebOptions, web } from 'celeriac/web';
import { refusalOf } from '#src/web/http/refusal.js';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A page of an app whose broker is never asked. */
async function ask(path: string, options: WebOptions = {}, init: RequestInit = {}) {
  const app = new Celeriac('unasked', {
    broker: 'redis://127.0.0.1:1/0',
    logger: silent,
    publishRetry: '1s',
  });
  const page = web(app, options);
  try {
    return await page.fetch(new Request(`http://localhost${path}`, init));
  } finally {
    await page.close();
    await app.close();
  }
}

async function codeOf(answer: Response): Promise<string> {
  return `${answer.status} ${((await answer.json()) as { code: string }).code}`;
}

describe('A request', () => {
  it('learns what there is only after it was let in', async () => {
    const nobody: WebOptions = { authorize: () => false };
    for (const path of ['/', '/assets/app.js', '/api/v1/runs', '/api/v1/nothing', '/api/v1/openapi.json'])
      assert.equal(await codeOf(await ask(path, nobody)), '403 FORBIDDEN', path);
    const asked: string[] = [];
    const authorize = (_request: Request, action: string) => {
      asked.push(action);
      return true;
    };
    await ask('/api/v1/schedules/x', { authorize, readOnly: true }, { method: 'DELETE' });
    await ask('/api/v1/tasks/x/call', { authorize, readOnly: true }, { method: 'POST' });
    await ask('/', { authorize });
    assert.deepEqual(asked, ['schedule', 'call', 'read']);
  });

  it('that would change something is refused on a read-only page, whether or not there is such a change', async () => {
    for (const [method, path] of [
      ['POST', '/api/v1/runs/retry'],
      ['DELETE', '/api/v1/runs/x'],
      ['PUT', '/api/v1/nothing'],
      ['POST', '/'],
    ] as const)
      assert.equal(await codeOf(await ask(path, { readOnly: true }, { method })), '403 READ_ONLY', path);
  });

  it('for nothing, or in a wrong way, gets a code and a sentence', async () => {
    assert.equal(await codeOf(await ask('/api/v1/nothing')), '404 NOT_FOUND');
    assert.equal(await codeOf(await ask('/assets/none.js')), '404 NOT_FOUND');
    assert.equal(await codeOf(await ask('/elsewhere/', { basePath: '/queues' })), '404 NOT_FOUND');
    assert.equal(await codeOf(await ask('/queuesx/', { basePath: '/queues' })), '404 NOT_FOUND');
    const wrong = await ask('/api/v1/overview', {}, { method: 'DELETE' });
    assert.equal(wrong.headers.get('allow'), 'GET');
    assert.equal(await codeOf(wrong), '405 WRONG_METHOD');
    const text = { method: 'POST', body: 'x=1', headers: { 'content-type': 'text/plain' } };
    assert.equal(await codeOf(await ask('/api/v1/runs/retry', {}, text)), '415 UNSUPPORTED_TYPE');
  });

  it('is told that the broker is away', async () => {
    assert.equal(await codeOf(await ask('/api/v1/queues')), '503 BROKER_UNAVAILABLE');
  });

  it('carries the same guards with every answer', async () => {
    for (const path of ['/', '/api/v1/nothing', '/queues']) {
      const { headers } = await ask(path, path === '/queues' ? { basePath: '/queues' } : {});
      assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'; script-src 'self'; /);
      assert.deepEqual(
        [headers.get('x-content-type-options'), headers.get('referrer-policy')],
        ['nosniff', 'no-referrer'],
        path,
      );
    }
  });
});

describe('An error', () => {
  it('has a status where the caller can do something about it, and shows nothing else', () => {
    const status = (error: unknown) => refusalOf(error)?.status;
    assert.equal(status(new OptionError('no')), 400);
    assert.equal(status(new UnknownTaskError('x')), 404);
    assert.equal(status(new BrokerUnavailableError('away', { address: 'x' })), 503);
    assert.equal(status(new CeleriacError('refused', { code: 'BROKER' })), undefined);
    for (const error of [new TypeError('x is not a function'), 'text', null, { code: 'OPTION' }])
      assert.equal(refusalOf(error), undefined);
  });
});

describe('The options of the page', () => {
  it('are checked', () => {
    const app = new Celeriac('unasked', { broker: 'redis://127.0.0.1:1/0', logger: silent });
    for (const options of [
      { basePath: 'queues' },
      { basePath: '//evil.example' },
      { basePath: '/a"b' },
      { readOnly: 'yes' },
      { authorize: true },
      { history: 'disk' },
      { port: 5 },
    ])
      assert.throws(() => web(app, options as WebOptions), OptionError, JSON.stringify(options));
    assert.throws(() => web({} as Celeriac), OptionError);
    web(app, { basePath: '/' });
  });
});
