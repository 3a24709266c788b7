/**
 * `celeriac shell`: a REPL with the app, its handles by name and what its module exports; `await` works at its top
 * level. Statements from a pipe run one after the other.
 */
import type { Command } from 'commander';
import { celeriacOfProject, type GlobalFlags, withLoaded } from '../connect.js';

/** Adds `shell` to the program. */
export function addShellCommand(program: Command): void {
  program
    .command('shell')
    .description('a JavaScript prompt with your app, its handles by name, and await; reads a pipe as well')
    .addHelpText('after', KNOWN)
    .action((_flags, command: Command) => shell(command.optsWithGlobals<GlobalFlags>()));
}

const KNOWN = `
Known there:
  app            your app; without -A, one of --broker and --prefix
  tasks          the handles of its tasks by name: tasks['send.mail'].delay()
  add, report…   the same handles, where the name of a task is a free word
  reports…       what the module of -A exports
  chain, group…  what celeriac exports`;

async function shell(flags: GlobalFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const free = process.stdout.write;
  const out = takeStdout();
  await withLoaded(flags, async ({ app, exports }) => {
    // The module has loaded: from here on the prompt has stdout.
    process.stdout.write = free;
    const { namesFor } = await import('../shell/names.js');
    const { runShell } = await import('../shell/repl.js');
    const { names, handles } = namesFor(app, exports, await celeriacOfProject());
    const { VERSION } = await import('../../version.js');
    if (process.stdin.isTTY && !flags.quiet) {
      out.note(
        `celeriac ${VERSION}, Node ${process.version.slice(1)}. The app is "${app.name}"; Ctrl-D leaves.`,
      );
      out.note(`Handles: ${handles.join(', ') || 'none: without -A no code is loaded'}`);
    }
    await runShell({ names, color: out.colored, history: historyFile() });
  });
}

/** Relative to the home of the user; empty for none. */
function historyFile(): string {
  const { CELERIAC_SHELL_HISTORY, HOME, USERPROFILE } = process.env;
  const home = HOME ?? USERPROFILE;
  return CELERIAC_SHELL_HISTORY ?? (home === undefined ? '' : `${home}/.celeriac_history`);
}
