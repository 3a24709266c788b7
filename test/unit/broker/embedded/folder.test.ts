/** Where a `file://` broker lives, and that nothing it did not make is touched. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { openEmbeddedFolder } from '#src/broker/embedded/folder.js';
import { ourselves } from '#src/broker/embedded/folder-lock.js';
import { isCeleriacError } from '#src/index.js';

const root = mkdtempSync(join(tmpdir(), 'celeriac-folder-'));
after(() => rmSync(root, { recursive: true, force: true }));

describe('the folder of a file:// broker', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(root, 'of-'));
  });

  /** Writes a file under `dir`, with the folders above it. */
  function put(path: string, text = 'mine'): void {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  const read = (path: string) => readFileSync(join(dir, path), 'utf8');

  /** What PGlite does when it opens. */
  async function makeDatabase(): Promise<void> {
    const folder = await openEmbeddedFolder(dir);
    assert.equal(folder.fresh, true);
    put('celeriac-db/data/PG_VERSION', '17');
    folder.finish();
    folder.unlock();
  }

  it('finds its database again', async () => {
    await makeDatabase();
    const again = await openEmbeddedFolder(dir);
    assert.deepEqual([again.fresh, again.data], [false, join(dir, 'celeriac-db', 'data')]);
    again.finish();
    again.unlock();
    assert.equal(read('celeriac-db/data/PG_VERSION'), '17');
  });

  it('begins anew what was begun and never finished', async () => {
    const folder = await openEmbeddedFolder(dir);
    put('celeriac-db/data/PG_VERSION', 'half');
    folder.unlock();
    const again = await openEmbeddedFolder(dir);
    assert.equal(again.fresh, true);
    assert.equal(existsSync(again.data), false);
    again.unlock();
  });

  it('opens a database whose marker is missing: the absence of a file deletes nothing', async () => {
    await makeDatabase();
    assert.deepEqual(readdirSync(join(dir, 'celeriac-db')).sort(), ['data', 'made-by-celeriac']);
    const again = await openEmbeddedFolder(dir);
    assert.equal(again.fresh, false);
    again.unlock();
  });

  for (const [what, text] of [
    ['has files and not our mark', undefined],
    ['has a mark with other words', 'mine'],
    ['was made by a newer version', 'celeriac database, layout 2\n'],
  ] as const)
    it(`refuses a celeriac-db that ${what}, and changes nothing`, async () => {
      put('celeriac-db/data/PG_VERSION', 'theirs');
      put('celeriac-db/unfinished', 'theirs');
      if (text !== undefined) put('celeriac-db/made-by-celeriac', text);
      const before = readdirSync(join(dir, 'celeriac-db'));
      await assert.rejects(openEmbeddedFolder(dir), (error: Error) => {
        assert.ok(isCeleriacError(error, 'BROKER'));
        assert.ok(error.message.includes(join(dir, 'celeriac-db')));
        return true;
      });
      assert.deepEqual(readdirSync(join(dir, 'celeriac-db')), before);
      assert.equal(read('celeriac-db/data/PG_VERSION'), 'theirs');
      assert.deepEqual(readdirSync(dir), ['celeriac-db']);
    });

  it('refuses an empty celeriac-db, and one that is a file', async () => {
    mkdirSync(join(dir, 'celeriac-db'));
    await assert.rejects(openEmbeddedFolder(dir), /was not made by celeriac/);
    rmSync(join(dir, 'celeriac-db'), { recursive: true });
    put('celeriac-db');
    await assert.rejects(openEmbeddedFolder(dir), /was not made by celeriac/);
    assert.equal(read('celeriac-db'), 'mine');
  });

  it('refuses a data folder of ours in which somebody keeps something else', async () => {
    await makeDatabase();
    rmSync(join(dir, 'celeriac-db/data/PG_VERSION'));
    put('celeriac-db/data/notes.txt');
    await assert.rejects(openEmbeddedFolder(dir), /is not a database/);
    assert.equal(read('celeriac-db/data/notes.txt'), 'mine');
    // It was given back: nobody is locked out by a refusal.
    assert.deepEqual(readdirSync(join(dir, 'celeriac-db')).sort(), ['data', 'made-by-celeriac']);
  });

  it('moves a database of the layout before into its folder', async () => {
    put('complete', 'celeriac: the database in data/ is whole\n');
    put('data/PG_VERSION', '17');
    put('lock.1', JSON.stringify({ ...ourselves(), began: '1' }));
    put('other.txt');
    const folder = await openEmbeddedFolder(dir);
    assert.equal(folder.fresh, false);
    assert.equal(read('celeriac-db/data/PG_VERSION'), '17');
    folder.unlock();
    assert.deepEqual(readdirSync(dir).sort(), ['celeriac-db', 'other.txt']);
  });

  it('leaves what looks like the layout before and is not known as ours', async () => {
    put('complete', 'somebody else is done\n');
    put('data/PG_VERSION', '17');
    const folder = await openEmbeddedFolder(dir);
    assert.equal(folder.fresh, true);
    folder.unlock();
    assert.equal(read('data/PG_VERSION'), '17');
    assert.equal(read('complete'), 'somebody else is done\n');
  });

  it('leaves a data folder without a database, whatever stands beside it', async () => {
    put('complete', 'celeriac: the database in data/ is whole\n');
    put('data/notes.txt');
    const folder = await openEmbeddedFolder(dir);
    assert.equal(folder.fresh, true);
    folder.unlock();
    assert.equal(read('data/notes.txt'), 'mine');
  });

  it('does not move a database that a living process has open', async () => {
    put('complete', 'celeriac: the database in data/ is whole\n');
    put('data/PG_VERSION', '17');
    put('lock.1', JSON.stringify(ourselves()));
    await assert.rejects(openEmbeddedFolder(dir), (error: Error) => isCeleriacError(error, 'BROKER_IN_USE'));
    assert.equal(read('data/PG_VERSION'), '17');
  });
});
