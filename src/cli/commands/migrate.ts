/**
 * `celeriac migrate`: makes or upgrades what the broker needs, PostgreSQL's schema. Run it once per upgrade, from
 * where the schema may be changed; it needs no code of yours.
 */
import type { Command } from 'commander';
import { type GlobalFlags, withApp } from '../connect.js';

/** Adds `migrate` to the program. */
export function addMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .description('make or upgrade the PostgreSQL schema; Redis needs none')
    .action(async (_flags, command: Command) => {
      const { takeStdout } = await import('../output.js');
      const out = takeStdout();
      await withApp(command.optsWithGlobals<GlobalFlags>(), async (app) => {
        await app.migrate();
        out.line(`The schema of "${app.name}" is up to date.`);
      });
    });
}
