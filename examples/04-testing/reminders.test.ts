/** Its tests: no broker, no waiting, the real semantics. Any test runner will do; this is Node's own. */
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import { testing } from 'celeriac/testing';
import { createReminders, type Mailer } from './reminders.js';

class FakeMailer implements Mailer {
  sent: string[] = [];
  failures = 0;

  async send(to: string, text: string): Promise<void> {
    if (this.failures-- > 0) throw new Error('the mail server is busy');
    this.sent.push(`${to}: ${text}`);
  }
}

describe('reminders', () => {
  const mailer = new FakeMailer();
  const { app, tasks, remindTomorrow } = createReminders(mailer);
  const kit = testing(app);
  afterEach(async () => {
    mailer.sent = [];
    mailer.failures = 0;
    await kit.reset();
  });
  after(() => app.close());

  it('are planned for tomorrow', async () => {
    await remindTomorrow('ann', 'the milk');
    const [call] = kit.sent(tasks.remind);
    assert.deepEqual(call?.args, ['ann', 'the milk']);
    assert.equal((call?.eta?.getTime() ?? 0) - kit.now().getTime(), 86_400_000);
  });

  it('are sent a day later, and not before', async () => {
    const result = await remindTomorrow('ann', 'the milk');
    await kit.advance('23h');
    assert.deepEqual(mailer.sent, []);
    await kit.advance('1h');
    assert.deepEqual(mailer.sent, ['ann: Do not forget: the milk']);
    assert.equal(await result.get(), 'ann was reminded');
  });

  it('are tried again when the mail server is busy', async () => {
    mailer.failures = 2;
    const result = await tasks.remind.delay('bob', 'the bread');
    await kit.drain();
    assert.equal(await result.status, 'RETRY');
    await kit.advance('20m');
    assert.equal(await result.get(), 'bob was reminded');
  });

  it('run at the call where only their effect matters', async () => {
    testing(app, { mode: 'inline' });
    await tasks.remind.delay('cid', 'the eggs');
    assert.deepEqual(mailer.sent, ['cid: Do not forget: the eggs']);
  });
});
