/**
 * `celeriac migrate`: creates or upgrades PostgreSQL's schema. Run it once per upgrade, as a user who may change the
 * schema; it needs no code of yours.
 */
import type { Command } from 'commander';
import { type GlobalFlags, withApp } from '../connect.js';

/** Adds `migrate` to the program. */
export function addMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .description('make or upgrade the PostgreSQL schema; Redis needs none')
    .option('--outbox', 'make the table celeriac_outbox in the database of the option outbox instead')
    .action(async (_flags, command: Command) => {
      const { takeStdout } = await import('../output.js');
      const out = takeStdout();
      const flags = command.optsWithGlobals<GlobalFlags & { readonly outbox?: boolean }>();
      await withApp(flags, async (app) => {
        if (flags.outbox) {
          await app.outbox.migrate();
          out.line(`The outbox of "${app.name}" is up to date.`);
          return;
        }
        await app.migrate();
        out.line(`The schema of "${app.name}" is up to date.`);
      });
    });
}
