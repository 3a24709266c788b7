/**
 * The table of commands: names, flags and help. Building it loads nothing of the core; each command loads what it needs
 * when it runs.
 */
import { Command } from 'commander';
import { VERSION } from '../version.js';
import { addCallCommands } from './commands/call.js';
import { addCompletionCommand } from './commands/completion.js';
import { addControlCommands } from './commands/control.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addEventCommands } from './commands/events.js';
import { addFailedCommands } from './commands/failed.js';
import { addInspectCommands } from './commands/inspect.js';
import { addMigrateCommand } from './commands/migrate.js';
import { addOutboxCommands } from './commands/outbox.js';
import { addQueueCommands } from './commands/queues.js';
import { addReportCommand } from './commands/report.js';
import { addScheduleCommands } from './commands/schedules.js';
import { addSendCommand } from './commands/send.js';
import { addShellCommand } from './commands/shell.js';
import { addWebCommand } from './commands/web.js';
import { addWorkerCommand } from './commands/worker.js';
import type { GlobalFlags } from './connect.js';
import { brokerFlag, levelFlag, prefixFlag } from './flags.js';
import { addHelpEnds } from './help/help-ends.js';
import { prepareCommand } from './prepare.js';

/** The program with all its commands. */
export function buildProgram(): Command {
  const program = new Command('celeriac')
    .description('Distributed tasks for TypeScript: run workers, steer them, call tasks.')
    .version(VERSION, '-V, --version', 'print the version')
    .option('-A, --app <module>', 'your app: a module path, optionally ":exportName"')
    .option('-b, --broker <url>', 'use this broker, whatever the code says', brokerFlag)
    .option('--prefix <prefix>', 'use this prefix, whatever the code says', prefixFlag)
    .option('--workdir <folder>', 'change to this folder first')
    .option(
      '-l, --loglevel <level>',
      'debug, info, warn or error; debug adds stacks to errors',
      levelFlag('--loglevel'),
    )
    .option('--quiet', 'answers and errors alone: no remarks, no banner')
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
    .addHelpText('after', EXIT_CODES)
    .hook('preAction', (_program, command) =>
      prepareCommand(pathOf(command), command.optsWithGlobals<GlobalFlags>()),
    );
  addWorkerCommand(program);
  addCallCommands(program);
  addSendCommand(program);
  addInspectCommands(program);
  addControlCommands(program);
  addQueueCommands(program);
  addFailedCommands(program);
  addScheduleCommands(program);
  addDoctorCommand(program);
  addReportCommand(program);
  addEventCommands(program);
  addShellCommand(program);
  addWebCommand(program);
  addOutboxCommands(program);
  addMigrateCommand(program);
  addCompletionCommand(program);
  addHelpEnds(program);
  return program;
}

/** The words of a command below the program: `control revoke`; empty for the program itself. */
export function pathOf(command: Command): string {
  const { parent } = command;
  return parent === null ? '' : `${pathOf(parent)} ${command.name()}`.trim();
}

const EXIT_CODES = '\nExit codes: 0 fine, 1 failed, 2 usage, 69 no worker answered or no broker.';

/** A command's name and arguments, without the hint that it has options. */
function termOf(command: Command): string {
  const args = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...args].join(' ');
}
