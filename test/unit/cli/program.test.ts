/** The table of commands: what it says of itself is true. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Command } from 'commander';
import { buildProgram, pathOf } from '#src/cli/program.js';

describe('The help of a command', () => {
  it('ends with examples and the environment variables that it reads', () => {
    for (const command of allOf(buildProgram())) {
      const text = helpOf(command);
      const path = pathOf(command);
      assert.match(text, /\nExamples:\n {2}celeriac .*\n(?: {2}celeriac .*\n)*\nEnvironment:\n/, path);
      assert.match(text, /NO_COLOR +\S.*\n$/, path);
      if (path !== 'completion') assert.match(text, /CELERIAC_APP .*-A\n {2}CELERIAC_BROKER_URL .*\n/, path);
      const wide = text.split('\n').filter((line) => line.length > 80);
      assert.deepEqual(wide, [], path);
    }
    assert.match(helpOf(find('outbox list')), /CELERIAC_OUTBOX_URL/);
    assert.match(helpOf(find('web')), /CELERIAC_WEB_AUTH/);
  });

  it('has examples that the command takes', async () => {
    for (const { example, path } of allOf(buildProgram()).flatMap(examplesOf)) {
      const program = buildProgram();
      let ran: Command | undefined;
      for (const command of allOf(program))
        command.exitOverride().action((...args: unknown[]) => {
          ran = args.at(-1) as Command;
        });
      program.configureOutput({ writeErr: () => undefined });
      await program.parseAsync(wordsOf(example), { from: 'user' });
      assert.ok(ran !== undefined, example);
      assert.ok(pathOf(ran).startsWith(path), `${example} is an example of ${path}`);
    }
  });
});

function examplesOf(command: Command): { example: string; path: string }[] {
  const [, block = ''] = /\nExamples:\n([\s\S]*?)\n\n/.exec(helpOf(command)) ?? [];
  return block.split('\n').map((line) => ({ example: line.trim(), path: pathOf(command) }));
}

/** The words behind `celeriac`, up to a pipe; quotes as in a shell. */
function wordsOf(example: string): string[] {
  const [own = ''] = example.split(/ (?:\|{1,2}|[<>]) /);
  return [...own.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)]
    .map(([, single, double, plain]) => single ?? double ?? plain ?? '')
    .slice(1);
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 80,
  });
  command.outputHelp();
  return text;
}

function allOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allOf)];
}

function find(path: string): Command {
  const found = allOf(buildProgram()).find((command) => pathOf(command) === path);
  assert.ok(found !== undefined);
  return found;
}
