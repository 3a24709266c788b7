/**
 * Asks for confirmation before something is destroyed. Without a terminal there is no one to ask, so `--yes` is
 * required.
 */
import { OptionError } from '../../errors.js';
import type { Output } from '../output.js';
import { printable } from '../text/printable.js';

/**
 * Resolves with true if the command may proceed.
 * @param question what is about to happen, as in "Drop 3 waiting tasks of mail?"
 * @throws {OptionError} when there is no terminal to ask at
 */
export async function confirm(question: string, yes: boolean | undefined, out: Output): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new OptionError(`${question} There is no terminal to ask at: add --yes.`);
  }
  if (/^y(es)?$/i.test((await ask(`${printable(question)} [y/N] `)).trim())) return true;
  out.note('Nothing was done.');
  return false;
}

/** The typed answer; empty after Ctrl-C or Ctrl-D. */
async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve) => {
    let left = true;
    terminal.once('SIGINT', () => terminal.close());
    terminal.once('close', () => {
      // The cursor still stands behind the question.
      if (left) process.stderr.write('\n');
      resolve('');
    });
    terminal.question(question, (answer) => {
      left = false;
      resolve(answer);
      terminal.close();
    });
  });
}
