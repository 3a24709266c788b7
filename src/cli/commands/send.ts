/**
 * `celeriac send`: sends a value to a task that waits for one (`this.waitFor`). It works on the broker, so it needs
 * neither code nor workers.
 */
import type { Command } from 'commander';
import { OptionError } from '../../errors.js';
import { type GlobalFlags, withApp } from '../connect.js';
import { EXIT } from '../exit.js';

interface SendFlags extends GlobalFlags {
  readonly value?: { readonly given: unknown };
  readonly json?: boolean;
}

/** Adds `send` to the program. */
export function addSendCommand(program: Command): void {
  program
    .command('send')
    .description('send a value to a task, for its waitFor')
    .argument('<id>', 'the id of the task')
    .argument('<name>', 'the name of the wait')
    .option('--value <json>', `the value, as JSON: '{"by":"ada"}'`, valueFlag)
    .option('--json', 'print { "accepted" } as JSON')
    .action((id: string, name: string, _flags, command: Command) =>
      send(id, name, command.optsWithGlobals<SendFlags>()),
    );
}

async function send(id: string, name: string, flags: SendFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const reply = await app.result(id).send(name, flags.value?.given);
    if (flags.json) out.json(reply);
    else if (reply.accepted) out.line(`${id}: accepted`);
    if (!reply.accepted) out.note(`celeriac: ${id}: not accepted: ${reply.why ?? 'no reason given'}`);
    process.exitCode = reply.accepted ? EXIT.ok : EXIT.failed;
  });
}

/** Wrapped, since commander takes undefined for a flag that was not given, and null is a value. */
function valueFlag(text: string): { readonly given: unknown } {
  try {
    return { given: JSON.parse(text) as unknown };
  } catch (error) {
    throw new OptionError(
      `--value: ${text} is not JSON (${(error as Error).message}). Quote texts twice, as in --value '"yes"'.`,
    );
  }
}
