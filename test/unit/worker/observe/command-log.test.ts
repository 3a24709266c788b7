/** What a worker's log says of remote control. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CommandHandlers } from '#src/control/commands.js';
import { logCommands } from '#src/worker/observe/command-log.js';

describe('A command of remote control', () => {
  it('is logged with what it did or why it was refused; a question is not, nor what an own command is about', async () => {
    const lines: unknown[] = [];
    const log = (level: string) => (fields: object, message: string) =>
      void lines.push([level, message, fields]);
    const handlers = {
      ping: () => 'pong',
      poolGrow: () => ({ ok: 'concurrency is 5 now' }),
      poolShrink: () => {
        throw new Error('too many');
      },
      revoke: () => ({ ok: 'ended 0 running tasks' }),
      own: () => ({ ok: 'a secret' }),
    } as unknown as CommandHandlers;
    const { ping, poolGrow, poolShrink, revoke, own } = logCommands(handlers, {
      info: log('info'),
      warn: log('warn'),
    });
    await ping({});
    await revoke({ jobIds: [] });
    assert.deepEqual(lines, []);
    await poolGrow({ n: 1 });
    await assert.rejects(async () => poolShrink({ n: 9 }), /too many/);
    await revoke({ jobIds: ['a'] });
    assert.deepEqual(await own({ name: 'reload', args: 1, timeoutMs: 1 }), { ok: 'a secret' });
    assert.deepEqual(lines, [
      ['info', 'control command carried out', { command: 'poolGrow', done: 'concurrency is 5 now' }],
      ['warn', 'control command refused', { command: 'poolShrink', error: 'too many' }],
      ['info', 'control command carried out', { command: 'revoke', done: 'ended 0 running tasks' }],
      ['info', 'control command carried out', { command: 'reload' }],
    ]);
  });
});
