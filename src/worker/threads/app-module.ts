/**
 * The option `module`: the file that the threads of a worker load. Checked when a worker starts, so that a mistake
 * shows before the first task.
 */
import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OptionError } from '../../errors.js';
import { ownFile } from '../../own-files.js';

/**
 * Entries of threads and processes, only as paths: they load the user's module as the command line does, and this
 * floor must not import them.
 */
export const THREAD_FILE = 'cli/worker/thread-main.js';
export const PROCESS_FILE = 'cli/worker/process-main.js';

const ADVICE =
  'Give app.worker() { module: import.meta.url } in the module that makes the app and registers its tasks ' +
  '(in a Nest application, CeleriacModule.forRoot({ bootstrap }))';

/**
 * The file named by the option, absolute.
 * @param wanted the option that needs threads, for the message
 * @param entry our own file that will load it, relative to this package
 * @throws {OptionError} when either file is missing
 */
export function findAppModule(module: string | undefined, wanted: string, entry: string): string {
  ownFile(entry, wanted);
  if (module === undefined) {
    throw new OptionError(
      `${wanted}, but this worker does not know which module its threads should load. ${ADVICE}, or use pool: 'async'.`,
    );
  }
  const file = fileOf(module);
  if (statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
  throw new OptionError(
    `app.worker(): module "${module}" is no file, so threads cannot load it (${wanted}). ${ADVICE}.`,
  );
}

function fileOf(module: string): string {
  if (isAbsolute(module)) return module;
  try {
    const url = new URL(module);
    // A loader may have appended a query ("?namespace=…") to the path: ignore it.
    return fileURLToPath(new URL(url.pathname, 'file://'));
  } catch (error) {
    throw new OptionError(
      `app.worker(): module "${module}" is neither a file URL nor an absolute path. ${ADVICE}.`,
      { cause: error },
    );
  }
}
