/**
 * Finds the module that `CeleriacModule.forRoot({ bootstrap: './worker.js' })` names: beside the file that says so, else
 * beside the program, else in the current folder.
 */
import { statSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** The folder of the file that called `called`; undefined where the engine does not say. */
export function folderOfCaller(called: (...args: never[]) => unknown): string | undefined {
  const { prepareStackTrace } = Error;
  const holder: { stack?: unknown } = {};
  try {
    Error.prepareStackTrace = (_error, sites) => sites[0]?.getFileName();
    Error.captureStackTrace(holder, called);
    const { stack: file } = holder;
    if (typeof file !== 'string' || file === '') return undefined;
    return dirname(file.startsWith('file:') ? fileURLToPath(file) : file);
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
  }
}

/**
 * The file, absolute.
 * @param beside the folder that a relative path begins at
 * @throws {OptionError} when there is none
 */
export function bootstrapFile(bootstrap: unknown, beside: string | undefined): string {
  if (typeof bootstrap !== 'string' || bootstrap === '')
    throw new OptionError(
      `CeleriacModule: bootstrap must be the path of the module that threads load, such as './worker.js'; got ${show(bootstrap)}.`,
    );
  const path = bootstrap.startsWith('file:') ? fileURLToPath(bootstrap) : bootstrap;
  const [, program = ''] = process.argv;
  const folders = isAbsolute(path) ? ['/'] : [beside, dirname(program), process.cwd()];
  const tried = folders.flatMap((folder) => (folder === undefined ? [] : spellings(resolve(folder, path))));
  const found = tried.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
  if (found !== undefined) return found;
  throw new OptionError(
    `CeleriacModule: bootstrap ${show(bootstrap)} is no file. Tried ${[...new Set(tried)].join(', ')}.`,
  );
}

/** A source that is not compiled yet is named as what it will be. */
function spellings(file: string): string[] {
  return [file, file.replace(/\.([cm]?)js$/, '.$1ts')];
}
