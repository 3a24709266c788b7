/** Who counts as the holder of a folder, and what a lock removes. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { lifeOf, lockFolder, ourselves } from '#src/broker/embedded/folder-lock.js';
import { isCeleriacError } from '#src/index.js';

const root = mkdtempSync(join(tmpdir(), 'celeriac-lock-'));
after(() => rmSync(root, { recursive: true, force: true }));

describe('the lock of a folder', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(root, 'of-'));
  });
  const isInUse = (error: Error) => isCeleriacError(error, 'BROKER_IN_USE');

  it('is refused while its holder lives, and free afterwards', async () => {
    const unlock = await lockFolder(dir);
    await assert.rejects(lockFolder(dir), isInUse);
    unlock();
    (await lockFolder(dir))();
    assert.deepEqual(readdirSync(dir), []);
  });

  it('asks the system only about a process of its own kernel and pid namespace', { skip: !onLinux() }, () => {
    const dead = { ...ourselves(), began: '1' };
    assert.equal(lifeOf(ourselves(), 0), 'alive');
    assert.equal(lifeOf(dead, 0), 'dead');
    // The same numbers in a container of the same name say nothing: only silence does.
    const elsewhere = { ...dead, space: 'boot pid:[1]' };
    assert.equal(lifeOf(elsewhere, 0), 'unknown');
    assert.equal(lifeOf({ ...elsewhere, host: 'other' }, 19_000), 'unknown');
    assert.equal(lifeOf(elsewhere, 21_000), 'dead');
  });

  it('watches a holder that it cannot ask until it shows itself', { skip: !onLinux() }, async () => {
    const path = join(dir, 'lock.1');
    writeFileSync(path, JSON.stringify({ ...ourselves(), began: '1', space: 'boot pid:[1]' }));
    const refused = assert.rejects(lockFolder(dir), (error: Error) => {
      assert.match(error.message, /another container/);
      return isInUse(error);
    });
    const now = new Date(Date.now() + 1_000);
    utimesSync(path, now, now); // a beat, as the holder makes it
    await refused;
  });

  it('takes over from a holder that cannot be asked and was silent for long', async () => {
    const path = join(dir, 'lock.1');
    writeFileSync(path, JSON.stringify({ ...ourselves(), host: 'other' }));
    const long = new Date(Date.now() - 30_000);
    utimesSync(path, long, long);
    const unlock = await lockFolder(dir);
    assert.deepEqual(readdirSync(dir), ['lock.2']);
    unlock();
  });

  it('removes neither a file that is no lock of ours nor the lock of whoever took over', async () => {
    const long = new Date(Date.now() - 30_000);
    writeFileSync(join(dir, 'lock.4'), 'mine');
    utimesSync(join(dir, 'lock.4'), long, long);
    const unlock = await lockFolder(dir);
    const theirs = JSON.stringify({ ...ourselves(), pid: 1 });
    writeFileSync(join(dir, 'lock.5'), theirs);
    unlock();
    assert.equal(readFileSync(join(dir, 'lock.5'), 'utf8'), theirs);
    assert.equal(readFileSync(join(dir, 'lock.4'), 'utf8'), 'mine');
  });
});

function onLinux(): boolean {
  return process.platform === 'linux';
}
