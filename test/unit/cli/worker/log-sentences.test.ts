/** What a worker says of its tasks, as sentences. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sentenceOf } from '#src/cli/worker/log-sentences.js';

const SEVEN = { task: 'report', taskId: '7' };

describe('a line about a task', () => {
  for (const [message, fields, sentence] of [
    ['task succeeded', { runtimeMs: 523 }, 'Task report[7] succeeded in 0.52s'],
    ['task succeeded', { runtimeMs: 4 }, 'Task report[7] succeeded in 0.004s'],
    ['task succeeded', { runtimeMs: 125_000 }, 'Task report[7] succeeded in 2m 5s'],
    [
      'task failed',
      { runtimeMs: 100, error: new RangeError('far') },
      'Task report[7] failed in 0.10s: RangeError: far',
    ],
    [
      'task failed as expected',
      { runtimeMs: 100, error: 'Error: no' },
      'Task report[7] failed as expected in 0.10s: Error: no',
    ],
    [
      'task will be retried',
      { runtimeMs: 100, delayMs: 2000, error: 'Error: no' },
      'Task report[7] will be retried in 2.00s: Error: no',
    ],
    ['task revoked', { runtimeMs: 0, reason: 'enough' }, 'Task report[7] revoked: enough'],
    ['task revoked', { runtimeMs: 0, reason: undefined }, 'Task report[7] revoked'],
    ['task handed back', { runtimeMs: 351 }, 'Task report[7] handed back after 0.35s'],
  ] as const) {
    it(`reads "${sentence}"`, () => {
      assert.deepEqual(sentenceOf(message, { ...SEVEN, ...fields }), { message: sentence, fields: {} });
    });
  }

  it('keeps the fields that are not in the sentence', () => {
    assert.deepEqual(sentenceOf('running', { ...SEVEN, queue: 'mail', runtimeMs: 3890 }), {
      message: 'Task report[7] has been running for 3.89s',
      fields: { queue: 'mail' },
    });
  });

  it('begins with the task when the task itself speaks', () => {
    assert.deepEqual(sentenceOf('rendering', { ...SEVEN, pages: 12, runtimeMs: 1 }), {
      message: 'report[7]: rendering',
      fields: { pages: 12, runtimeMs: 1 },
    });
    assert.equal(sentenceOf('toString', SEVEN).message, 'report[7]: toString');
  });

  it('is one line, whatever the id and the error say', () => {
    const { message } = sentenceOf('task failed', {
      task: 'a\u001b[31m',
      taskId: '7\n[INFO] fine',
      runtimeMs: 100,
      error: new Error('one\r\ntwo\u2028'),
    });
    assert.equal(message, 'Task a\\u001b[31m[7\\n[INFO] fine] failed in 0.10s: Error: one\\r\\ntwo\\u2028');
  });
});

describe('any other line', () => {
  it('stays as it is', () => {
    const fields = { queues: ['a'], running: 2 };
    assert.deepEqual(sentenceOf('worker ready', fields), { message: 'worker ready', fields });
  });

  it('counts what runs in words', () => {
    assert.deepEqual(
      [0, 1, 2].map((running) => sentenceOf('running tasks', { running }).message),
      ['no task is running', '1 task is running:', '2 tasks are running:'],
    );
  });
});
