/**
 * `celeriac completion bash|zsh|fish`: prints a script that lets the shell complete commands and flags. It is made from
 * the table of commands, and opens no app.
 */
import type { Command } from 'commander';
import type { CompletedCommand } from '../completion/words.js';
import { choiceFlag } from '../flags.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

type Shell = (typeof SHELLS)[number];

/** Adds `completion` to the program. */
export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('a script that completes commands and flags in your shell')
    .argument('<shell>', SHELLS.join(', '), choiceFlag('completion', SHELLS))
    .action((shell: Shell) => print(program, shell));
}

async function print(program: Command, shell: Shell): Promise<void> {
  const { completedCommands } = await import('../completion/words.js');
  const commands = completedCommands(program);
  process.stdout.write(await scriptOf(shell, commands));
}

async function scriptOf(shell: Shell, commands: readonly CompletedCommand[]): Promise<string> {
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.js')).bashCompletion(commands);
    case 'zsh':
      return (await import('../completion/zsh.js')).zshCompletion(commands);
    case 'fish':
      return (await import('../completion/fish.js')).fishCompletion(commands);
  }
}
