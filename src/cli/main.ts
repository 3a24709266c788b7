#!/usr/bin/env node
/**
 * The `celeriac` command: parses, runs one command, and turns its end into an exit code. Commands live in one file
 * per group beside this one and load what they need when they run, so that `celeriac --help` is quick.
 */
import { Command, CommanderError } from 'commander';
import { parseLogLevel } from '../options/logger.js';
import { VERSION } from '../version.js';
import { addCallCommands } from './commands/call.js';
import { addControlCommands } from './commands/control.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addEventCommands } from './commands/events.js';
import { addFailedCommands } from './commands/failed.js';
import { addInspectCommands } from './commands/inspect.js';
import { addMigrateCommand } from './commands/migrate.js';
import { addOutboxCommands } from './commands/outbox.js';
import { addQueueCommands } from './commands/queues.js';
import { addScheduleCommands } from './commands/schedules.js';
import { addSendCommand } from './commands/send.js';
import { addWebCommand } from './commands/web.js';
import { addWorkerCommand } from './commands/worker.js';
import { describeError, EXIT, exitCodeOf } from './exit.js';
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

function buildProgram(): Command {
  const program = new Command('celeriac')
    .description('Distributed tasks for TypeScript: run workers, steer them, call tasks.')
    .version(VERSION, '-V, --version', 'print the version')
    .option('-A, --app <module>', 'your app: a module path, optionally ":exportName" [env CELERIAC_APP]')
    .option('-l, --loglevel <level>', 'debug, info, warn or error; debug adds stacks to errors', (text) =>
      parseLogLevel(text, '--loglevel'),
    )
    .option('--no-color', 'plain text')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({
      showGlobalOptions: true,
      sortSubcommands: false,
      // Next to a long list of arguments, words would be broken at the edge of the terminal.
      minWidthToWrap: 20,
      subcommandTerm: termOf,
    })
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
    .addHelpText('after', EXAMPLES);
  addWorkerCommand(program);
  addCallCommands(program);
  addSendCommand(program);
  addInspectCommands(program);
  addControlCommands(program);
  addQueueCommands(program);
  addFailedCommands(program);
  addScheduleCommands(program);
  addDoctorCommand(program);
  addEventCommands(program);
  addWebCommand(program);
  addOutboxCommands(program);
  addMigrateCommand(program);
  return program;
}

/** A command's name and arguments, without the hint that it has options. */
function termOf(command: Command): string {
  const args = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...args].join(' ');
}

const EXAMPLES = `
Examples:
  celeriac -A tasks worker --loglevel=info -c 4
  celeriac -A tasks call add --args '[1, 2]' --wait
  celeriac -A tasks inspect active
  celeriac -A tasks control add-consumer -Q celeriac -c 8

Exit codes: 0 fine, 1 failed, 2 usage, 69 no worker answered or no broker.`;

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
