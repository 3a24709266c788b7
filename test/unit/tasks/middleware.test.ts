import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Celeriac, CeleriacError, Task, TaskFailedError, TaskService } from 'celeriac';
import { testing } from 'celeriac/testing';
import { rejection } from '../../support/app.js';

class Mail extends TaskService {
  runs = 0;

  @Task('mail.send', { maxRetries: 0 })
  async send(): Promise<string> {
    this.runs++;
    if (this.runs === 1) throw new Error('first');
    return this.request.id;
  }
}

describe('A middleware that calls next() twice', () => {
  it('around running is refused: no second attempt starts inside the first', async (t) => {
    const app = new Celeriac('twice', { broker: 'redis://127.0.0.1:1/0' });
    t.after(() => app.close());
    const mail = new Mail();
    const { send } = app.register(mail);
    app.use({ run: (_, next) => next().catch(() => next()) });
    const error = await rejection((await send.apply([])).get());
    assert(error instanceof TaskFailedError && error.cause instanceof CeleriacError);
    assert.match(error.message, /called next\(\) twice for the run of mail\.send/);
    assert.equal(mail.runs, 1);
  });

  it('around sending is refused: one call is one task', async (t) => {
    const app = new Celeriac('twice', { broker: 'memory://' });
    t.after(() => app.close());
    const kit = testing(app, { mode: 'inline' });
    const add = app.task('add', async (a: number) => a);
    app.use({
      publish: async (_, next) => {
        await next();
        return next();
      },
    });
    assert.match((await rejection(add.delay(1))).message, /called next\(\) twice for the call of add/);
    assert.equal(kit.sent().length, 1);
  });
});
