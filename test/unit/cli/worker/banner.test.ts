/** The banner: what it tells, what it hides, and that it fits. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BannerFacts, hidePassword, renderBanner } from '#src/cli/worker/banner.js';

const facts: BannerFacts = {
  version: '0.1.0',
  app: 'reports',
  node: 'celeriac@host',
  pid: 1,
  runtime: 'Node 24.1.0',
  broker: 'redis://user:s3cr3t@127.0.0.1:6379/0',
  queues: ['celeriac', 'mail'],
  concurrency: 4,
  pool: 'async',
  tasks: ['b_task', 'a_task'],
};

describe('the banner', () => {
  it('tells app, broker, queues, concurrency and the tasks in order', () => {
    const text = renderBanner(facts, false);
    for (const part of [
      'celeriac@host',
      /app +reports/,
      /queues +celeriac, mail/,
      /concurrency +4 \(async\)/,
    ]) {
      assert.match(text, new RegExp(part));
    }
    assert.ok(text.indexOf('a_task') < text.indexOf('b_task'));
  });

  it('hides the password and keeps the rest of the URL', () => {
    assert.ok(!renderBanner(facts, false).includes('s3cr3t'));
    assert.equal(hidePassword('redis://:p:w@h:1/0'), 'redis://:***@h:1/0');
    assert.equal(hidePassword('rediss://h:6379'), 'rediss://h:6379');
    assert.equal(hidePassword('memory://'), 'memory://');
  });

  it('fits into 80 columns with many queues, and has no colours where none are wanted', () => {
    const text = renderBanner(
      { ...facts, queues: Array.from({ length: 30 }, (_, n) => `queue-${n}`) },
      false,
    );
    assert.ok(text.split('\n').every((line) => line.length <= 80));
    assert.ok(!text.includes('\u001b'));
    assert.ok(renderBanner(facts, true).includes('\u001b'));
  });

  it('wonders at an app without tasks', () => {
    assert.match(renderBanner({ ...facts, tasks: [] }, false), /import your services/);
  });
});
