/** What is special about the embedded engine: sharing by name, folders that last, one process a folder, quick starts. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EngineConfig } from '#src/broker/broker.js';
import { openEmbedded } from '#src/broker/embedded/broker.js';
import { ourselves } from '#src/broker/embedded/folder-lock.js';
import { readTemplate, templatePaths } from '#src/broker/embedded/template.js';
import { Celeriac, isCeleriacError } from '#src/index.js';

const config = (prefix = 'app'): EngineConfig => ({
  prefix,
  connectTimeoutMs: 1_000,
  migrate: false,
  onTrouble: () => {},
  onRecovered: () => {},
});

describe('the embedded engine', { timeout: 600_000 }, () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'celeriac-embedded-'));
  });
  after(() => rm(root, { recursive: true, force: true }));
  const folder = () => join(root, randomUUID());

  it('shares what has one name, and forgets it with its last user', async () => {
    const target = { kind: 'memory', name: randomUUID() } as const;
    const [one, two] = [openEmbedded(config(), target), openEmbedded(config(), target)];
    await one.records.create('k', 'v');
    assert.equal((await two.records.read(['k']))[0]?.value, 'v');
    await one.close();
    assert.equal((await two.records.read(['k']))[0]?.value, 'v');
    await two.close();
    const later = openEmbedded(config(), target);
    assert.deepEqual(await later.records.read(['k']), [undefined]);
    await later.close();
  });

  it('gives each engine without a name its own database', async () => {
    const [one, two] = [
      openEmbedded(config(), { kind: 'memory' }),
      openEmbedded(config(), { kind: 'memory' }),
    ];
    await one.records.create('k', 'v');
    assert.deepEqual(await two.records.read(['k']), [undefined]);
    await Promise.all([one.close(), two.close()]);
  });

  it('keeps a folder after close, for every prefix in it', async () => {
    const target = { kind: 'file', dir: folder() } as const;
    for (const round of ['first', 'second']) {
      const [one, two] = [openEmbedded(config('one'), target), openEmbedded(config('two'), target)];
      assert.equal(await one.records.create('k', 'one'), round === 'first');
      assert.equal(await two.records.create('k', 'two'), round === 'first');
      assert.equal((await one.records.read(['k']))[0]?.value, 'one');
      await Promise.all([one.close(), two.close()]);
    }
  });

  it('leaves a project that has a data folder of its own as it was', async () => {
    const dir = folder();
    await mkdir(join(dir, 'data'), { recursive: true });
    await writeFile(join(dir, 'data', 'orders.csv'), 'mine');
    await writeFile(join(dir, 'lock.3'), 'mine too');
    const engine = openEmbedded(config(), { kind: 'file', dir });
    await engine.records.create('k', 'v');
    await engine.close();
    assert.equal(await readFile(join(dir, 'data', 'orders.csv'), 'utf8'), 'mine');
    assert.equal(await readFile(join(dir, 'lock.3'), 'utf8'), 'mine too');
    assert.deepEqual((await readdir(dir)).sort(), ['celeriac-db', 'data', 'lock.3']);
    assert.deepEqual((await readdir(join(dir, 'celeriac-db'))).sort(), ['data', 'made-by-celeriac']);
  });

  it('refuses a folder that another process has open, naming both, and takes it when that one was killed', async () => {
    const dir = folder();
    const child = start(
      `${OPEN} await engine.records.create('k', 'v'); engine.hold(); console.log('open');`,
      dir,
    );
    await said(child, 'open');
    const engine = openEmbedded(config(), { kind: 'file', dir });
    await assert.rejects(engine.ready(), (error: Error) => {
      assert.ok(isCeleriacError(error, 'BROKER_IN_USE'));
      assert.match(error.message, new RegExp(`${dir}.*process ${child.pid}`));
      return true;
    });
    const app = new Celeriac('looking', { broker: `file://${dir}` });
    const { healthy, findings } = await app.doctor();
    assert.deepEqual([healthy, findings.length, findings[0]?.advice], [false, 1, 'Look from that process.']);
    await app.close();
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal((await engine.records.read(['k']))[0]?.value, 'v');
    await engine.close();
  });

  it('takes over a lock whose process number was given to another process', async () => {
    const dir = folder();
    const first = openEmbedded(config(), { kind: 'file', dir });
    await first.ready();
    await first.close();
    await writeFile(join(dir, 'celeriac-db', 'lock.7'), JSON.stringify({ ...ourselves(), began: '1' }));
    const second = openEmbedded(config(), { kind: 'file', dir });
    if (process.platform === 'linux') await second.ready();
    await second.close();
  });

  it('lets exactly one of many processes take over a stale lock', async () => {
    const database = folder();
    await mkdir(database);
    await writeFile(join(database, 'lock.1'), JSON.stringify({ ...ourselves(), pid: 2 ** 22 + 1 }));
    const source = `
      const { lockFolder } = await import('#src/broker/embedded/folder-lock.js');
      try { await lockFolder(process.argv[1]); console.log('got it'); setInterval(() => {}, 1e6); } catch (error) { console.log(error.code); }`;
    const children = Array.from({ length: 8 }, () => start(source, database));
    const words = await Promise.all(children.map((child) => firstLine(child)));
    for (const child of children) child.kill('SIGKILL');
    assert.deepEqual(words.sort(), [...Array(7).fill('BROKER_IN_USE'), 'got it']);
  });

  it('loses nothing that was acknowledged when the process is killed in the middle of writing', async () => {
    const dir = folder();
    const child = start(
      `${OPEN} for (let i = 0; ; i++) { await engine.records.create('k' + i, 'v'); console.log(i); }`,
      dir,
    );
    let last = -1;
    child.stdout?.on('data', (chunk: Buffer) => {
      last = Math.max(last, ...chunk.toString().trim().split('\n').slice(0, -1).map(Number));
      if (last > 100) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    const engine = openEmbedded(config(), { kind: 'file', dir });
    const keys = Array.from({ length: last + 1 }, (_, i) => `k${i}`);
    assert.ok((await engine.records.read(keys)).every((record) => record !== undefined));
    await engine.close();
  });

  it('gives streams to its one process only, and keeps them for the next', async () => {
    const dir = folder();
    const child = start(
      `const { Celeriac } = await import('#src/index.js');
      const app = new Celeriac('words', { broker: 'file://' + process.argv[1], migrate: true });
      const words = app.task('words', async function* () { yield 'a'; yield 'b'; return await this.waitFor('go'); });
      await app.worker().start();
      const result = await words.delay();
      while ((await result.status) !== 'WAITING') await new Promise((resolve) => setTimeout(resolve, 20));
      console.log(result.id);`,
      dir,
    );
    const id = await firstLine(child);
    const app = new Celeriac('words', { broker: `file://${dir}`, migrate: true });
    const result = app.result(id);
    for (const refused of [() => result.stream().next(), () => result.send('go', 1)])
      await assert.rejects(refused, (error) => isCeleriacError(error, 'BROKER_IN_USE'));
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.deepEqual(await result.send('go', 'on'), { accepted: true });
    app.task('words', async function* () {
      yield 'a';
      yield 'b';
      return await this.waitFor('go');
    });
    await app.worker().start();
    const chunks: unknown[] = [];
    for await (const chunk of result.stream()) chunks.push(chunk);
    assert.deepEqual([chunks, await result.get()], [['a', 'b'], 'on']);
    await app.close();
  });

  it('lets a script end that only made calls, without close', async () => {
    const child = start(
      `${OPEN} await engine.records.create('k', 'v'); await engine.signals.subscribe('t', () => {}); console.log('done');`,
      folder(),
    );
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  });

  it('makes a damaged template anew', async () => {
    const cache = folder();
    const [template = ''] = templatePaths(await pgliteVersion());
    const damaged = join(cache, 'celeriac', basename(template));
    await mkdir(dirname(damaged), { recursive: true });
    await writeFile(damaged, 'not a template');
    // The temporary folder is the second choice; it must not hide the damage.
    const env = { ...process.env, XDG_CACHE_HOME: cache, TMPDIR: cache };
    const source = `${OPEN} console.log(await engine.records.create('k', 'v'));`;
    assert.equal(await firstLine(start(source, folder(), env)), 'true');
    assert.deepEqual(await readdir(dirname(damaged)), [basename(damaged)]);
    assert.ok(readTemplate([damaged]) !== undefined);
  });
});

/** Of the package that is installed here. */
async function pgliteVersion(): Promise<string> {
  const root = dirname(dirname(fileURLToPath(import.meta.resolve('@electric-sql/pglite'))));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return version;
}

const OPEN = `
  const { openEmbedded } = await import('#src/broker/embedded/broker.js');
  const config = { prefix: 'app', connectTimeoutMs: 1000, migrate: false, onTrouble() {}, onRecovered() {} };
  const engine = openEmbedded(config, { kind: 'file', dir: process.argv[1] });`;

function start(source: string, dir: string, env: NodeJS.ProcessEnv = process.env): ChildProcess {
  // The package's own folder, so that '#src' means the built code.
  const cwd = new URL('../../../', import.meta.url);
  return spawn(process.execPath, ['--input-type=module', '-e', source, dir], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function said(child: ChildProcess, word: string): Promise<void> {
  assert.equal(await firstLine(child), word);
}

async function firstLine(child: ChildProcess): Promise<string> {
  assert.ok(child.stdout);
  let text = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  return text.split('\n')[0] ?? '';
}
