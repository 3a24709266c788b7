/**
 * Asks before something is destroyed. Without a terminal nobody could answer, so `--yes` has to say it.
 */
import { OptionError } from '../../errors.js';
import type { Output } from '../output.js';
import { printable } from '../text/printable.js';

/**
 * Resolves with whether to go on.
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

/** What is typed; nothing where the question is left with Ctrl-C or Ctrl-D. */
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
