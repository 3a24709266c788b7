import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac } from 'celeriac';
import { decodeFailure, encodeFailure } from '#src/protocol/wire-error.js';

function notFound(what: string) {
  return {
    NotFound: class NotFound extends Error {
      readonly what = what;
    },
  }.NotFound;
}

describe('Two error classes of one name', () => {
  const [MailNotFound, UserNotFound] = [notFound('mail'), notFound('user')];

  it('each come back where the task’s declaration names them', (t) => {
    const app = new Celeriac('classes', { broker: 'redis://127.0.0.1:1/0' });
    t.after(() => app.close());
    app.task('mail', { throws: [MailNotFound] }, async () => undefined);
    app.task('user', { autoretryFor: UserNotFound }, async () => undefined);
    app.tasks<{ elsewhere(): void }>()({ elsewhere: { name: 'elsewhere', throws: MailNotFound } });
    const back = (task?: string) => decodeFailure(encodeFailure(new UserNotFound('x')), app.errors, task);
    assert(back('mail') instanceof MailNotFound);
    assert(back('user') instanceof UserNotFound);
    assert(back('elsewhere') instanceof MailNotFound);
    // Of a task that names none, as of errors that are registered: the last one of that name.
    assert(back('other') instanceof UserNotFound);
    assert(back() instanceof UserNotFound);
  });

  it('Error itself may be named, and is what comes back', (t) => {
    const app = new Celeriac('classes', { broker: 'redis://127.0.0.1:1/0' });
    t.after(() => app.close());
    app.task('any', { throws: Error, autoretryFor: [Error] }, async () => undefined);
    app.errors.register(Error);
    const back = decodeFailure(encodeFailure(new Error('x')), app.errors, 'any');
    assert.equal(Object.getPrototypeOf(back), Error.prototype);
  });
});
