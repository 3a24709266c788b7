/** The completion of shells: made from the table of commands, and read by the shells themselves. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { bashCompletion } from '#src/cli/completion/bash.js';
import { fishCompletion } from '#src/cli/completion/fish.js';
import { completedCommands } from '#src/cli/completion/words.js';
import { zshCompletion } from '#src/cli/completion/zsh.js';
import { buildProgram } from '#src/cli/program.js';

const commands = completedCommands(buildProgram());

describe('What a shell may complete', () => {
  it('is the table of commands', () => {
    const control = commands.find(({ path }) => path === 'control revoke');
    assert.ok(control?.flags.some(({ long, takesValue }) => long === '--terminate' && !takesValue));
    assert.ok(control?.flags.some(({ long, short }) => long === '--app' && short === '-A'));
    const worker = commands.find(({ path }) => path === 'worker');
    assert.deepEqual(worker?.flags.find(({ long }) => long === '--pool')?.values, ['async', 'threads']);
    assert.deepEqual(commands.find(({ path }) => path === 'completion')?.values, ['bash', 'zsh', 'fish']);
  });
});

describe('bash', () => {
  for (const [line, expected] of [
    ['celeriac con', ['control']],
    ['celeriac -A tasks control rev', ['revoke']],
    ['celeriac -A worker wor', ['worker']],
    ['celeriac worker --poo', ['--pool']],
    ['celeriac worker --pool ', ['async', 'threads']],
    ['celeriac worker -P th', ['threads']],
    ['celeriac --loglevel = de', ['debug']],
    ['celeriac control revoke --term', ['--terminate']],
    ['celeriac completion z', ['zsh']],
    ['celeriac worker -c ', []],
  ] as const)
    it(`completes "${line}"`, () => {
      const words = line.split(' ');
      const array = words.map((word) => `'${word}'`).join(' ');
      const script = `${bashCompletion(commands)}
        COMP_WORDS=(${array}); COMP_CWORD=${words.length - 1}; _celeriac; echo "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = spawnSync('bash', ['--norc', '-u'], { input: script, encoding: 'utf8' });
      assert.equal(stderr, '');
      assert.deepEqual(stdout.trim().split(' ').filter(Boolean), expected);
    });
});

describe('zsh', { skip: isMissing('zsh') }, () => {
  it('reads it, and knows the commands at a word', () => {
    const script = `${zshCompletion(commands).replace(/\nif \[\[ \$funcstack[\s\S]*/, '')}
      _describe() { print -l -- \${(P)@[-1]%%:*}; }; compadd() { print -l -- \${(P)@[-1]}; }; _files() { print files; }
      complete() { words=("$@"); CURRENT=$#; PREFIX=$words[-1]; _celeriac; print -r -- @@; }
      complete celeriac -A tasks control ''; complete celeriac worker -P ''; complete celeriac worker --logfile ''`;
    const { stdout, stderr } = spawnSync('zsh', ['-f'], { input: script, encoding: 'utf8' });
    assert.equal(stderr, '');
    const [control, pool, file] = stdout.split('@@\n');
    assert.match(control ?? '', /^ping\n[\s\S]*\nrevoke\n/);
    assert.equal(pool, 'async\nthreads\n');
    assert.equal(file, 'files\n');
  });
});

describe('fish', { skip: isMissing('fish') }, () => {
  it('completes commands, flags and values', () => {
    const complete = (line: string) => {
      const script = `${fishCompletion(commands)}\ncomplete -C '${line}'`;
      const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' });
      assert.equal(stderr, '');
      return stdout.split('\n').map((found) => found.split('\t')[0]);
    };
    assert.ok(complete('celeriac -A tasks control rev').includes('revoke'));
    assert.ok(complete('celeriac worker --poo').includes('--pool'));
    assert.ok(complete('celeriac worker -P ').includes('threads'));
  });
});

function isMissing(shell: string): string | false {
  return spawnSync(shell, ['--version']).error === undefined ? false : `${shell} is not installed`;
}
