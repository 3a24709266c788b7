#!/usr/bin/env node
/**
 * The `celeriac` command: parses, runs one command, and turns its end into an exit code. Commands live in one file
 * per group beside this one and load what they need when they run, so that `celeriac --help` is quick.
 */
import { type Command, CommanderError } from 'commander';
import { describeError, EXIT, exitCodeOf } from './exit.js';
import { buildProgram } from './program.js';
import { endWithReader, flushed } from './streams.js';
import { printable } from './text/printable.js';

async function main(argv: readonly string[]): Promise<void> {
  quietRequireOfEsm();
  endWithReader();
  // An app that waits does not keep the process alive (so that scripts end by themselves); a command must finish.
  const alive = setInterval(() => undefined, 60_000);
  const program = buildProgram();
  let code: number;
  try {
    await program.parseAsync(argv);
    code = Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    code = report(error, argv, program);
  }
  process.exitCode = code;
  await flushed();
  clearInterval(alive);
  // The app's module may keep sockets and timers open; the command ends regardless.
  process.exit(code);
}

function report(error: unknown, argv: readonly string[], program: Command): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    if (error.code !== 'commander.help')
      process.stderr.write(`celeriac: ${printable(usageLine(error.message, meant(program, argv)))}\n`);
    return EXIT.usage;
  }
  const debug = argv.some((arg, at) => /^(--loglevel=|-l)debug$/i.test(arg) || isLevelPair(argv, at));
  process.stderr.write(`celeriac: ${describeError(error, debug)}\n`);
  return exitCodeOf(error);
}

function isLevelPair(argv: readonly string[], at: number): boolean {
  return ['-l', '--loglevel'].includes(argv[at] ?? '') && argv[at + 1]?.toLowerCase() === 'debug';
}

/** Commander's message on one line: `unknown option '--concurency'. Did you mean --concurrency?` */
function usageLine(message: string, command: string): string {
  const [what = '', hint] = message.replace(/^error: /, '').split('\n');
  const suggestion = hint === undefined ? '' : ` ${hint.replace(/^\(|\)$/g, '')}`;
  return `${what.replace(/\.$/, '')}.${suggestion} See "${command} --help".`;
}

/** The deepest command that the words name, such as `celeriac control add-consumer`. */
function meant(program: Command, argv: readonly string[]): string {
  const path = ['celeriac'];
  let at: Command | undefined = program;
  for (const word of argv.slice(2)) {
    const next: Command | undefined = at.commands.find((one) => one.name() === word);
    if (next === undefined) continue;
    path.push(word);
    at = next;
  }
  return path.join(' ');
}

/** Suppresses a warning of Node 20 and 22 when a CommonJS project requires this package, which is ESM. */
function quietRequireOfEsm(): void {
  const emitWarning = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (rest[0] === 'ExperimentalWarning' && /require\(\)|ES Module/.test(String(warning))) return;
    (emitWarning as (...args: unknown[]) => void).call(process, warning, ...rest);
  }) as typeof process.emitWarning;
}

void main(process.argv);
