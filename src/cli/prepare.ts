/**
 * What the flags of every command do before the command runs: the folder, the broker, the prefix, the remarks, and the
 * title of the process, which also keeps passwords among the flags out of `ps`.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { overrideApps } from '../app-overrides.js';
import { OptionError } from '../errors.js';
import { present } from '../options/merge.js';
import type { GlobalFlags } from './connect.js';

/**
 * @param path the words of the command, such as `control revoke`
 * @throws {OptionError} if there is no such folder
 */
export async function prepareCommand(path: string, flags: GlobalFlags): Promise<void> {
  if (flags.workdir !== undefined) enter(flags.workdir);
  overrideApps(present({ broker: flags.broker, prefix: flags.prefix }));
  if (flags.quiet) (await import('./output.js')).silenceRemarks();
  process.title = `celeriac ${path}`;
}

function enter(workdir: string): void {
  const folder = resolve(workdir);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new OptionError(`--workdir: ${folder} is no folder.`);
  process.chdir(folder);
}
