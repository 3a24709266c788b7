import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { Celeriac, OptionError } from 'celeriac';
import { parseRedisUrl } from '#src/broker/redis/url.js';
import { shownUrl } from '#src/options/readable.js';

/** What an app says of a broker it cannot use; nothing when it takes it. */
function refusal(broker: unknown): string | undefined {
  try {
    new Celeriac('x', { broker: broker as string });
    return undefined;
  } catch (error) {
    assert(error instanceof OptionError, String(error));
    return inspect(error, { depth: 20, showHidden: true });
  }
}

describe('A broker', () => {
  it('that is an address without a scheme is taken for a Redis', () => {
    assert.match(
      refusal('localhost:6379') ?? '',
      /celeriac knows\. Did you mean redis:\/\/localhost:6379 \?/,
    );
    assert.doesNotMatch(refusal('amqp://localhost:5672') ?? '', /Did you mean/);
  });

  it('may be any URL of the list, in any case, with white space around it', () => {
    for (const url of [
      'redis://user:p%40ss@host:1/2',
      'rediss://host',
      'REDIS://host',
      ' redis://host:6379/0\n',
      'redis://[::1]:6379/0',
      'unix:///tmp/redis.sock',
      'sentinel://h1:26379,h2:26379/master/0',
      'sentinel://h1/master',
      'cluster://h1:7000,h2:7001',
      'clusters://user:pass@h1:7000',
      'postgres://user:pass@host/db',
      'postgresql://host/db',
      'memory://',
      'memory://name',
      'file:///var/lib/tasks',
      'file:///var/lib/50%',
    ])
      assert.equal(refusal(url), undefined, url);
  });

  it('that is none is refused as an option that cannot be right', () => {
    for (const broker of [
      5,
      true,
      () => 1,
      '',
      'redis',
      'redis:host',
      'http://host',
      'redis://host:99999/0',
      'redis://host/first',
      'redis://host/0/1',
      'sentinel://h1',
      'sentinel://h1:99999/master',
      'cluster://',
      'file://',
      {},
    ])
      assert.ok(refusal(broker), String(broker));
  });

  it('keeps TLS and a password that was not encoded, however the scheme is written', async () => {
    const options = (url: string) => {
      const client = parseRedisUrl(url).connect({});
      client.disconnect();
      return (client as unknown as { options: { tls?: object; password?: string } }).options;
    };
    assert.ok(options('REDISS://host').tls);
    assert.equal(options('redis://:50%off@host').password, '50%off');
  });

  it('is read without looking for its certificate', () => {
    for (const scheme of ['rediss', 'clusters'])
      assert.equal(refusal(`${scheme}://host:1?ca=/nowhere/ca.pem`), undefined, scheme);
  });

  it('never shows its password, however misspelt', () => {
    for (const url of [
      'redis://:hunter2@h:99999/0',
      'redis://u:hunter2@h/first',
      'redis://u:hunter2@h:port/0',
      'redis://u:x/hunter2@h/0',
      'redis://u:x@hunter2@h/first',
      'redis://u:x#hunter2@h/first',
      'redis://u:x?hunter2@h/first',
      'redis://u:12/hunter2@h/0',
      'redsi://u:hunter2@h',
      'redis:u:hunter2@h',
      'u:hunter2@h',
      '//u:hunter2@h',
      'hunter2@h',
      'http://h?password=hunter2',
      'sentinel://:hunter2@h1',
      'sentinel://u:x/hunter2@h1/m/first',
      'cluster://u:hunter2@',
      'cluster://u:x/hunter2@',
      'postgres:u:hunter2@h',
      'postgres://u:hunter2@h:port/db',
    ])
      assert.doesNotMatch(refusal(url) ?? 'it was taken', /hunter2|it was taken/, url);
  });

  it('is shown with everything but its password', () => {
    assert.equal(shownUrl('redis://user:secret@host:1/2'), 'redis://user:********@host:1/2');
    assert.equal(shownUrl('redis://host:1/2'), 'redis://host:1/2');
    assert.equal(shownUrl('file:///home/a/b'), 'file:///home/a/b');
  });

  it('is not shown by an app or a worker that is printed', () => {
    for (const broker of [
      'redis://u:hunter2@h/0',
      'cluster://u:hunter2@h',
      'postgres://u:hunter2@h/db',
      'sentinel://:hunter2@h/m',
    ]) {
      const app = new Celeriac('x', { broker });
      const worker = app.worker();
      const shown = inspect([app, worker], { depth: 20, showHidden: true });
      assert.doesNotMatch(shown, /hunter2/, broker);
    }
  });
});
