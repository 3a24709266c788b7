import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BasicLogin } from '#src/web/http/basic-login.js';
import { Refusal } from '#src/web/http/refusal.js';
import { admit, type Guard } from '#src/web/http/safety.js';

const OPEN: Guard = { authorize: () => true, readOnly: false, hosts: undefined, login: undefined };
const URL = 'http://page.example:5555/queues/api/v1/runs/retry';

function request(headers: Record<string, string> = {}, url = URL): Request {
  return new Request(url, { method: 'POST', headers });
}

async function outcome(guard: Partial<Guard>, asked: Request, changes = true): Promise<string | undefined> {
  try {
    return await admit({ ...OPEN, ...guard }, { request: asked, action: 'retry', changes });
  } catch (error) {
    assert(error instanceof Refusal);
    return `${error.status} ${error.reason}`;
  }
}

describe('A change', () => {
  it('is let in from the own origin, and from what is no page', async () => {
    const own: Record<string, string>[] = [
      {},
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
      { origin: 'http://page.example:5555' },
      { origin: 'http://PAGE.example:5555', 'sec-fetch-site': 'same-origin' },
      // A proxy speaks TLS to the browser, and another name to us.
      { origin: 'https://page.example:5555' },
      { origin: 'https://queues.example', 'x-forwarded-host': 'queues.example' },
      { origin: 'http://inner:80', host: 'inner' },
    ];
    for (const headers of own)
      assert.equal(await outcome({}, request(headers)), undefined, JSON.stringify(headers));
  });

  it('is refused from any other page', async () => {
    const foreign: Record<string, string>[] = [
      { origin: 'http://evil.example' },
      { origin: 'http://page.example' },
      { origin: 'http://page.example:5555.evil.example' },
      { origin: 'null' },
      { origin: '' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://page.example:5555', 'sec-fetch-site': 'cross-site' },
      { origin: 'ftp://page.example:5555' },
    ];
    for (const headers of foreign)
      assert.equal(await outcome({}, request(headers)), '403 FOREIGN_ORIGIN', JSON.stringify(headers));
    const tls = request({ origin: 'http://page.example' }, 'https://page.example/api/v1/runs/retry');
    assert.equal(await outcome({}, tls), '403 FOREIGN_ORIGIN');
  });

  it('is refused where nothing may change, reading is not', async () => {
    assert.equal(await outcome({ readOnly: true }, request()), '403 READ_ONLY');
    assert.equal(
      await outcome({ readOnly: true }, request({ origin: 'http://evil.example' }), false),
      undefined,
    );
  });
});

describe('Whoever asks', () => {
  it('is let in, refused or named by authorize, which learns what for', async () => {
    const asked: unknown[] = [];
    const authorize = (verdict: boolean | string) => (_request: Request, action: string) => {
      asked.push(action);
      return verdict;
    };
    assert.equal(await outcome({ authorize: authorize(true) }, request()), undefined);
    assert.equal(await outcome({ authorize: authorize('ann') }, request()), 'ann');
    assert.equal(await outcome({ authorize: authorize(false) }, request()), '403 FORBIDDEN');
    assert.equal(await outcome({ authorize: authorize('') }, request()), '403 FORBIDDEN');
    assert.equal(await outcome({ authorize: async () => false }, request(), false), '403 FORBIDDEN');
    assert.equal(await outcome({ authorize: (() => undefined) as never }, request()), '403 FORBIDDEN');
    assert.deepEqual(new Set(asked), new Set(['retry']));
  });

  it('names a host that the page is served under, whatever the port', async () => {
    const hosts = new Set(['localhost', '127.0.0.1', '[::1]']);
    for (const host of [
      'localhost',
      'localhost:5555',
      'LOCALHOST:1',
      '127.0.0.1:5555',
      '[::1]',
      '[::1]:5555',
    ])
      assert.equal(await outcome({ hosts }, request({ host }), false), undefined, host);
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io:5555', '[::2]:5555'])
      assert.equal(await outcome({ hosts }, request({ host }), false), '403 FOREIGN_HOST', host);
  });

  it('logs in, before anything is said of what there is', async () => {
    const login = new BasicLogin(['ann:a:b', 'böb:pässwörd'], '--auth');
    const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });
    assert.equal(await outcome({ login }, request(basic('ann:a:b'))), 'ann');
    assert.equal(await outcome({ login }, request(basic('böb:pässwörd'))), 'böb');
    for (const headers of [{}, basic('ann:a'), basic('ann'), basic(''), { authorization: 'Bearer ann:a:b' }])
      assert.equal(await outcome({ login, readOnly: true }, request(headers)), '401 UNAUTHORIZED');
    const refusal = await admit(
      { ...OPEN, login },
      { request: request(), action: 'read', changes: false },
    ).catch((error: unknown) => error);
    assert.match((refusal as Refusal).headers?.['www-authenticate'] ?? '', /^Basic realm=/);
  });

  it('is never told a pair that is written wrong', () => {
    for (const pair of ['secret', ':secret', 'ann:'])
      assert.throws(
        () => new BasicLogin(['ann:fine', pair], '--auth'),
        ({ message }: Error) =>
          !message.includes('secret') && /--auth: the 2nd one is not user:password/.test(message),
      );
  });
});
