import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commandLine, shellWord } from '#src/cli/connect.js';

describe('A command in a hint', () => {
  it('reaches the same app', () => {
    assert.equal(commandLine('result mine --follow', {}), 'celeriac result mine --follow');
    assert.equal(
      commandLine('result mine --follow', { app: './src/tasks.ts:app' }),
      'celeriac -A ./src/tasks.ts:app result mine --follow',
    );
    assert.equal(commandLine('queues', { app: 'my tasks' }), "celeriac -A 'my tasks' queues");
  });

  it('has words that a shell leaves as they are', () => {
    assert.equal(shellWord('order-42_x@y.z:1'), 'order-42_x@y.z:1');
    assert.equal(shellWord("it's $HOME; `ls`"), "'it'\\''s $HOME; `ls`'");
    assert.equal(shellWord(''), "''");
  });
});
