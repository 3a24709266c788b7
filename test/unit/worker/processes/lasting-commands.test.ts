/** What a process that starts later hears: what holds by now, not all that ever happened. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LastingCommands } from '#src/worker/processes/lasting-commands.js';

const setUp = () => new LastingCommands((queue) => queue === 'mail');

describe('what lasts of the commands to a node of several processes', () => {
  it('is one number for the pool, however often it grew and shrank', () => {
    const lasting = setUp();
    for (let minute = 0; minute < 1_000; minute++) {
      lasting.note('poolGrow', { n: 5 });
      lasting.note('poolShrink', { n: 4 });
    }
    assert.deepEqual(lasting.commands, [{ command: 'poolGrow', args: { n: 1_000 } }]);
    lasting.note('poolShrink', { n: 1_003 });
    assert.deepEqual(lasting.commands, [{ command: 'poolShrink', args: { n: 3 } }]);
    lasting.note('poolGrow', { n: 3 });
    assert.deepEqual(lasting.commands, []);
  });

  it('begins anew with a range, which says how large the pool is', () => {
    const lasting = setUp();
    lasting.note('poolGrow', { n: 5 });
    lasting.note('autoscale', { max: 8, min: 2 });
    lasting.note('poolGrow', { n: 1 });
    assert.deepEqual(lasting.commands, [
      { command: 'autoscale', args: { max: 8, min: 2 } },
      { command: 'poolGrow', args: { n: 1 } },
    ]);
  });

  it('keeps no queue that came and went', () => {
    const lasting = setUp();
    for (let n = 0; n < 1_000; n++) {
      lasting.note('addConsumer', { queue: `tenant-${n}` });
      if (n > 0) lasting.note('cancelConsumer', { queue: `tenant-${n}` });
    }
    lasting.note('cancelConsumer', { queue: 'mail' });
    assert.deepEqual(lasting.commands, [
      { command: 'addConsumer', args: { queue: 'tenant-0' } },
      { command: 'cancelConsumer', args: { queue: 'mail' } },
    ]);
  });

  it('is the last word on each task and on the log, and nothing of what changes nothing', () => {
    const lasting = setUp();
    lasting.note('loglevel', { level: 'debug' });
    lasting.note('timeLimit', { task: 'a', softMs: 1, hardMs: 2 });
    lasting.note('timeLimit', { task: 'a', softMs: 3, hardMs: 4 });
    lasting.note('loglevel', { level: 'info' });
    for (const command of ['ping', 'pause', 'rateLimit', 'revoke', 'shutdown'] as const)
      lasting.note(command, {});
    assert.deepEqual(lasting.commands, [
      { command: 'timeLimit', args: { task: 'a', softMs: 3, hardMs: 4 } },
      { command: 'loglevel', args: { level: 'info' } },
    ]);
  });

  it('keeps a limit that a later change says nothing of', () => {
    const lasting = setUp();
    lasting.note('timeLimit', { task: 'a', softMs: 1, hardMs: 2 });
    lasting.note('timeLimit', { task: 'a', softMs: 3 });
    lasting.note('timeLimit', { task: 'a', softMs: 4 });
    assert.deepEqual(
      lasting.commands.map(({ args }) => args),
      [
        { task: 'a', softMs: 1, hardMs: 2 },
        { task: 'a', softMs: 4 },
      ],
    );
  });
});
