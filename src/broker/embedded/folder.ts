/**
 * The folder of a `file://` broker. The database lies in `<folder>/celeriac-db`, which carries our mark from the moment it
 * exists; a folder of that name without the mark is refused. Outside that folder celeriac may remove only what it made (a
 * temporary folder, a lock, the mark of the old layout). Inside, only a database that is marked as unfinished may be
 * removed: the absence of a file must never mean "delete".
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { BrokerError } from '../../errors.js';
import { lockFolder } from './folder-lock.js';

/** The name of our folder, unlikely to be anyone else's. */
const OWN = 'celeriac-db';
const MARK = 'made-by-celeriac';
/** The layout number must rise when the layout changes, so that an older celeriac refuses the folder. */
const MARK_TEXT = 'celeriac database, layout 1\n';
/** A marker file beside `data`: exists from before the first file of `data` until the database is complete. */
const UNFINISHED = 'unfinished';

/** The mark of the old layout, without a folder of its own. Its name and exact text identify the database as ours. */
const OLD_MARK = 'complete';
const OLD_MARK_TEXT = 'celeriac: the database in data/ is whole\n';

/** A locked folder with room for one database. */
export interface EmbeddedFolder {
  /** PGlite's data directory. */
  readonly data: string;
  /** True if there is no database yet. */
  readonly fresh: boolean;
  /** Marks the database as complete: from now on nothing removes it. */
  finish(): void;
  unlock(): void;
}

/**
 * Makes or finds the database folder under `dir` and locks it.
 * @throws {BrokerError} when `celeriac-db` exists and is not ours
 * @throws {BrokerInUseError} when another process has it open
 */
export async function openEmbeddedFolder(dir: string): Promise<EmbeddedFolder> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const parent = realpathSync(dir);
  const folder = join(parent, OWN);
  makeMarked(parent, folder);
  const unlock = await lockFolder(folder);
  try {
    const data = join(folder, 'data');
    const unfinished = join(folder, UNFINISHED);
    await adoptOldLayout(parent, data);
    if (existsSync(unfinished)) {
      // The marker shows that celeriac began this database, and that no task was ever accepted into it.
      rmSync(data, { recursive: true, force: true });
    } else if (!isEmpty(data)) {
      refuseWithoutDatabase(data);
      return { data, fresh: false, finish: () => undefined, unlock };
    }
    writeFileSync(unfinished, 'A database is being made in data/.\n');
    return { data, fresh: true, finish: () => finish(folder, unfinished), unlock };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Creates the folder together with its mark, so that a crash never leaves a folder without one. */
function makeMarked(parent: string, folder: string): void {
  if (!existsSync(folder)) {
    const made = mkdtempSync(join(parent, `${OWN}-`));
    writeFileSync(join(made, MARK), MARK_TEXT);
    try {
      renameSync(made, folder);
    } catch {
      // Another process was first, or the check below reports what is in the way.
      unlinkSync(join(made, MARK));
      rmdirSync(made);
    }
  }
  const mark = readText(join(folder, MARK));
  if (mark === MARK_TEXT) return;
  throw new BrokerError(
    mark?.startsWith('celeriac database') === true
      ? `The embedded broker's folder ${folder} was made by a newer version of celeriac ("${mark.trim()}"). Upgrade celeriac, or use another folder.`
      : `The embedded broker keeps its database in ${folder}, which is there and was not made by celeriac (it has no file "${MARK}"). ` +
          'Nothing in it was changed. Move it away, or use another folder.',
  );
}

/** Moves a database of the old layout into the folder. Data that is not identified as ours stays where it is. */
async function adoptOldLayout(parent: string, data: string): Promise<void> {
  const [oldMark, oldData] = [join(parent, OLD_MARK), join(parent, 'data')];
  if (existsSync(data) || readText(oldMark) !== OLD_MARK_TEXT) return;
  if (!existsSync(join(oldData, 'PG_VERSION'))) return;
  const unlock = await lockFolder(parent);
  try {
    renameSync(oldData, data);
    unlinkSync(oldMark);
  } catch (error) {
    throw new BrokerError(
      `The embedded broker's database ${oldData} belongs into ${data} now, and could not be moved there. Move it by hand.`,
      { cause: error },
    );
  } finally {
    unlock();
  }
}

function refuseWithoutDatabase(data: string): void {
  if (existsSync(join(data, 'PG_VERSION'))) return;
  throw new BrokerError(
    `The embedded broker's folder ${data} holds something that is not a database. Nothing in it was changed. Restore or move it.`,
  );
}

/** Removes the marker durably: a crash of the machine must not bring it back after tasks were accepted. */
function finish(folder: string, unfinished: string): void {
  unlinkSync(unfinished);
  let handle: number | undefined;
  try {
    handle = openSync(folder, 'r');
    fsyncSync(handle);
  } catch {
    // Some file systems cannot sync a folder; they write it out in their own time.
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

function isEmpty(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
