/**
 * Asks before something is destroyed. Without a terminal nobody could answer, so `--yes` has to say it.
 */
import { OptionError } from '../errors.js';
import type { Output } from './output.js';

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
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return true;
  } finally {
    terminal.close();
  }
  out.note('Nothing was done.');
  return false;
}
