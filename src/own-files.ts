/**
 * Files of this package that are started by their path, as threads and processes. A bundle holds none of them: what needs
 * one asks here, and is refused by name instead of failing at a file that is not there.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OptionError } from './errors.js';
import packageFolder from './package-folder.cjs';

/**
 * @param path as it is built: `cli/worker/thread-main.js`
 * @returns its absolute path; undefined where it is not there
 */
export function findOwnFile(path: string): string | undefined {
  const file = join(packageFolder.folder ?? '', path);
  return packageFolder.folder !== undefined && existsSync(file) ? file : undefined;
}

/**
 * @param wanted what needs it, for the message
 * @throws {OptionError} where it is not there, saying what to mark external
 */
export function ownFile(path: string, wanted: string): string {
  const file = findOwnFile(path);
  if (file !== undefined) return file;
  throw new OptionError(
    `${wanted}: that starts celeriac's own file ${path}, which a bundle does not hold. ${KEEP_OUT}`,
  );
}

/** What to do with a bundle that lacks a file. */
export const KEEP_OUT =
  'Leave celeriac out of the bundle and install it beside it: --external:celeriac for esbuild, ' +
  "externals: { celeriac: 'commonjs celeriac' } for webpack.";
