/**
 * Finds files of this package that are started by path, as threads and processes. A bundle contains none of them, so all
 * such starts must ask here and get an error with advice instead of a missing file.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OptionError } from './errors.js';
import packageFolder from './package-folder.cjs';

/**
 * @param path as it is built: `cli/worker/thread-main.js`
 * @returns its absolute path; `undefined` if the file is missing
 */
export function findOwnFile(path: string): string | undefined {
  const file = join(packageFolder.folder ?? '', path);
  return packageFolder.folder !== undefined && existsSync(file) ? file : undefined;
}

/**
 * Like {@link findOwnFile}.
 * @param wanted the feature that needs the file, for the message
 * @throws {OptionError} if the file is missing, with advice on what to mark external
 */
export function ownFile(path: string, wanted: string): string {
  const file = findOwnFile(path);
  if (file !== undefined) return file;
  throw new OptionError(
    `${wanted}: that starts celeriac's own file ${path}, which a bundle does not hold. ${KEEP_OUT}`,
  );
}

/** Advice for a bundle that lacks a file. */
export const KEEP_OUT =
  'Leave celeriac out of the bundle and install it beside it: --external:celeriac for esbuild, ' +
  "externals: { celeriac: 'commonjs celeriac' } for webpack.";
