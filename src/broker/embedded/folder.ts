/**
 * The folder of a `file://` broker. The database lies in `<folder>/celeriac-db`, which carries our mark from the moment it
 * exists; a folder of that name without the mark is somebody else's, and refused. Nothing outside it is ever removed, and
 * inside it only a database that is marked as begun and not finished: the absence of a file never means "delete".
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

/** The name nobody else's folder has. */
const OWN = 'celeriac-db';
const MARK = 'made-by-celeriac';
/** Goes up when the layout changes: an older celeriac then refuses what it does not understand. */
const MARK_TEXT = 'celeriac database, layout 1\n';
/** Stands beside `data` from before its first file until the database is whole. */
const UNFINISHED = 'unfinished';

/** Where a database was before it had a folder of its own: its name and exact words are how it is known as ours. */
const OLD_MARK = 'complete';
const OLD_MARK_TEXT = 'celeriac: the database in data/ is whole\n';

/** A locked folder with room for one database. */
export interface EmbeddedFolder {
  /** PGlite's data directory. */
  readonly data: string;
  /** True if no database is there yet. */
  readonly fresh: boolean;
  /** Notes that the database is whole: from here on nothing removes it. */
  finish(): void;
  unlock(): void;
}

/**
 * Makes or finds the database folder under `dir` and locks it.
 * @throws {BrokerError} when `celeriac-db` is there and not ours
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
      // We began it, as the marker says, and nobody was ever promised anything about it.
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

/** The folder appears together with its mark, so a crash never leaves one that looks like somebody else's. */
function makeMarked(parent: string, folder: string): void {
  if (!existsSync(folder)) {
    const made = mkdtempSync(join(parent, `${OWN}-`));
    writeFileSync(join(made, MARK), MARK_TEXT);
    try {
      renameSync(made, folder);
    } catch {
      // Another process was first, or the look below says what is in the way.
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

/** Moves a database of the layout before this one into its own folder; what is not known as ours stays where it is. */
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

/** A crash of the machine must not bring the marker back after tasks were accepted. */
function finish(folder: string, unfinished: string): void {
  unlinkSync(unfinished);
  let handle: number | undefined;
  try {
    handle = openSync(folder, 'r');
    fsyncSync(handle);
  } catch {
    // Not every file system lets a folder be synchronised; then it does so in its own time.
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
