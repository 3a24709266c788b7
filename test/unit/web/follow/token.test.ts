import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { followToken } from 'celeriac/web';
import { isCeleriacError } from '#src/errors.js';
import { readSecrets, taskOfToken } from '#src/web/follow/token.js';

const SECRET = 'sixteen bytes, or more';
const HOUR_MS = 3_600_000;
const keys = readSecrets(SECRET, 'test');
const tokenOf = (id: string, expires?: Date) =>
  followToken({ id }, { secret: SECRET, ...(expires && { expires }) });

describe('a token', () => {
  it('lets follow its task for an hour, whatever its id', () => {
    for (const id of ['t1@celeriac', 'a.b.c', 'ü/../🌱 ?', '0']) {
      const token = tokenOf(id);
      assert.match(token, /^[\w-]+\.[\w-]+$/);
      assert.equal(taskOfToken(token, keys), id);
      assert.equal(taskOfToken(token, keys, Date.now() + HOUR_MS - 10_000), id);
      assert.equal(taskOfToken(token, keys, Date.now() + HOUR_MS + 10_000), undefined);
    }
  });

  it('expires when it is told to', () => {
    const at = new Date(2_000_000_000_000);
    assert.equal(taskOfToken(tokenOf('t', at), keys, at.getTime() - 1), 't');
    assert.equal(taskOfToken(tokenOf('t', at), keys, at.getTime()), undefined);
    const short = followToken({ id: 't' }, { secret: SECRET, expires: '10s' });
    assert.equal(taskOfToken(short, keys, Date.now() + 11_000), undefined);
    assert.equal(taskOfToken(tokenOf('t', new Date(0)), keys), undefined);
  });

  it('is refused when anything about it is changed', () => {
    const token = tokenOf('task');
    const [payload = '', signature = ''] = token.split('.');
    const forged = Buffer.from(`${Date.now() + HOUR_MS}.other`).toString('base64url');
    // The same secret, in a program that signs other things with it.
    const foreign = createHmac('sha256', SECRET).update(payload).digest('base64url');
    for (const wrong of [
      '',
      '.',
      payload,
      `${payload}.`,
      `.${signature}`,
      `${forged}.${signature}`,
      `${payload}.${signature.slice(0, -4)}`,
      `${payload}.${foreign}`,
      `${token}.`,
      `${token}.${signature}`,
      `${payload.slice(1)}.${signature}`,
    ])
      assert.equal(taskOfToken(wrong, keys), undefined, wrong);
    assert.equal(taskOfToken(token, readSecrets('another secret of bytes', 'test')), undefined);
  });

  it('is signed by the first secret of several, and accepted by each', () => {
    const old = 'the secret of last year';
    const both = [SECRET, old];
    assert.equal(taskOfToken(followToken({ id: 't' }, { secret: old }), readSecrets(both, 'test')), 't');
    const token = followToken({ id: 't' }, { secret: both });
    assert.equal(taskOfToken(token, keys), 't');
    assert.equal(taskOfToken(token, readSecrets(old, 'test')), undefined);
    const bytes = new TextEncoder().encode(SECRET);
    assert.equal(taskOfToken(followToken({ id: 't' }, { secret: bytes }), keys), 't');
  });

  it('is not made of what nobody could mean', () => {
    const wrong = (made: () => unknown, message: RegExp) =>
      assert.throws(made, (error) => isCeleriacError(error, 'OPTION') && message.test(error.message));
    const id = 'task';
    wrong(
      () => followToken({ id }, { secret: 'short' }),
      /secret of 5 bytes can be guessed. Give 16 random bytes/,
    );
    wrong(() => followToken({ id }, { secret: [] }), /empty list/);
    wrong(() => followToken({ id }, { secret: 5 as never }), /secret must be a string, bytes, or a list/);
    wrong(() => followToken({ id }, {} as never), /secret must be/);
    wrong(() => followToken({ id }, { secret: SECRET, expires: -1 }), /negative/);
    wrong(() => followToken({ id }, { secret: SECRET, expires: 'tomorrow' }), /is not a duration/);
    wrong(() => followToken({ id }, { secret: SECRET, expires: new Date('never') }), /invalid Date/);
    wrong(() => followToken({ id }, { secret: SECRET, expire: '1h' } as never), /Did you mean "expires"/);
    wrong(() => followToken({ id: '' }, { secret: SECRET }), /give the result of a task/);
    wrong(() => followToken(undefined as never, { secret: SECRET }), /give the result of a task/);
  });
});
