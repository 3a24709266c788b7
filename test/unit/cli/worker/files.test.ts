/** The files of a worker: its log, its process id, and paths that name their node. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';
import { openLogFile } from '#src/cli/worker/log-file.js';
import { nodePath } from '#src/cli/worker/node-path.js';
import { takePidFile } from '#src/cli/worker/pid-file.js';

const folder = mkdtempSync(join(tmpdir(), 'celeriac-files-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('A path that names its node', () => {
  it('has the parts of the name where they are asked for', () => {
    const node = 'mail@web1.example.com';
    assert.equal(nodePath('--logfile', '/log/%n.log', node), '/log/mail.log');
    assert.equal(
      nodePath('--logfile', '/log/%p-%h-%d-%%', node),
      `/log/${node}-web1.example.com-example.com-%`,
    );
    assert.equal(nodePath('--logfile', 'own.log', node), resolve('own.log'));
  });

  it('stays in its folder, whatever the node is called', () => {
    assert.equal(nodePath('--pidfile', '/run/%n.pid', '../../etc/passwd@host'), '/run/.._.._etc_passwd.pid');
  });

  it('refuses what means nothing', () => {
    assert.throws(
      () => nodePath('--pidfile', '/run/%x.pid', 'a@b'),
      /--pidfile: "%x" means nothing\. Use %n/,
    );
    assert.throws(() => nodePath('--pidfile', '/run/100%', 'a@b'), /"%" means nothing/);
  });
});

describe('A log file', () => {
  it('gets whole lines at its end, and is opened anew after a rotation', () => {
    const path = join(folder, 'worker.log');
    writeFileSync(path, 'before\n');
    let now = 0;
    const write = openLogFile(path, { otherwise: assert.fail, now: () => now });
    write('one\n');
    renameSync(path, `${path}.1`);
    now += 5000;
    write('two\n');
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'before\none\n');
    assert.equal(readFileSync(path, 'utf8'), 'two\n');
  });

  it('hands on a line that cannot be written', () => {
    const inner = mkdtempSync(join(folder, 'gone-'));
    const lost: string[] = [];
    let now = 0;
    const write = openLogFile(join(inner, 'a.log'), { otherwise: (line) => lost.push(line), now: () => now });
    rmSync(inner, { recursive: true });
    now += 5000;
    write('nowhere to go\n');
    assert.deepEqual(lost, ['nowhere to go\n']);
  });

  it('is refused where none can be', () => {
    const path = join(folder, 'missing', 'a.log');
    assert.throws(
      () => openLogFile(path, { otherwise: assert.fail }),
      /--logfile: .*a\.log cannot be opened/,
    );
  });
});

describe('A pid file', () => {
  it('holds the id of this process, and may be taken again by it', () => {
    const path = join(folder, 'own.pid');
    takePidFile(path);
    assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
    takePidFile(path);
  });

  it('is refused while another living process holds it, and replaced afterwards', async () => {
    const path = join(folder, 'other.pid');
    const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    writeFileSync(path, `${other.pid}\n`);
    assert.throws(
      () => takePidFile(path),
      new RegExp(`other\\.pid belongs to process ${other.pid}, which is alive`),
    );
    assert.equal(readFileSync(path, 'utf8'), `${other.pid}\n`);
    other.stdin?.end();
    await once(other, 'exit');
    takePidFile(path);
    assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
  });

  it('is no other file that somebody needs', () => {
    const path = join(folder, 'notes.txt');
    writeFileSync(path, 'remember the milk');
    assert.throws(() => takePidFile(path), /notes\.txt holds no process id/);
    assert.ok(existsSync(path));
    assert.throws(() => takePidFile(join(folder, 'no', 'a.pid')), /cannot be written: .*ENOENT/);
  });
});
