/** A private PostgreSQL on a port of its own, gone with the test. Looks for the binaries on PATH and where distributions put them. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { endProcess, endWithUs, freePort, untilAnswering } from './servers.js';

export interface PostgresServer {
  readonly port: number;
  /** User `celeriac`, password `secret`. */
  readonly url: string;
  freeze(): void;
  thaw(): void;
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Ends every connection but its own, as often as it is called. */
export async function cutter(t: Pick<TestContext, 'after'>, url: string): Promise<() => Promise<void>> {
  const admin = new pg.Client({ connectionString: url });
  admin.on('error', () => undefined); // the server may be closed first
  await admin.connect();
  t.after(() => admin.end());
  return async () => {
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
  };
}

/** The folder of `initdb` and `postgres`, or `undefined` where they are not installed. */
export function postgresBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin')),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

export async function startPostgres(): Promise<PostgresServer> {
  const bin = postgresBinaries();
  if (bin === undefined)
    throw new Error('initdb and postgres were not found: install PostgreSQL to run these tests.');
  const who = serverUser();
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-pg-'));
  await chmod(dir, 0o700);
  if ('uid' in who) await chown(dir, who.uid, who.gid);
  const data = join(dir, 'data');
  const options = { ...who, cwd: dir };
  const passwordFile = join(dir, 'password');
  await writeFile(passwordFile, 'secret\n', { mode: 0o644 });
  const initArgs = [
    '-D',
    data,
    '-U',
    'celeriac',
    '-A',
    'scram-sha-256',
    '--no-sync',
    `--pwfile=${passwordFile}`,
  ];
  execFileSync(join(bin, 'initdb'), initArgs, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  const port = await freePort();
  const url = `postgres://celeriac:secret@127.0.0.1:${port}/postgres`;
  const spawnIt = async (): Promise<ChildProcess> => {
    const args = [
      '-D',
      data,
      '-p',
      `${port}`,
      '-h',
      '127.0.0.1',
      '-k',
      dir,
      '-F',
      '-c',
      'max_connections=200',
    ];
    const giveUpAt = Date.now() + 30_000;
    for (;;) {
      const child = spawn(join(bin, 'postgres'), args, { ...options, stdio: 'ignore' });
      child.unref();
      endWithUs(child, 'SIGQUIT');
      try {
        await untilAnswering(child, () => canQuery(url));
        return child;
      } catch (error) {
        // A killed server leaves processes that hold its memory a little longer: until then no other one starts.
        if (child.exitCode === null || Date.now() > giveUpAt) throw error;
      }
    }
  };
  let child = await spawnIt();
  const stop = (signal: NodeJS.Signals = 'SIGINT') => endProcess(child, signal);
  return {
    port,
    url,
    freeze: () => signalAll(child, 'SIGSTOP'),
    thaw: () => signalAll(child, 'SIGCONT'),
    stop,
    start: async () => {
      child = await spawnIt();
    },
    close: async () => {
      signalAll(child, 'SIGCONT');
      await stop('SIGQUIT');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function canQuery(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end();
  }
}

/** The server and the process of each connection: freezing only the first leaves open connections answering. */
function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  // Not execFileSync: ps ends with 1 where there is no child.
  const children = spawnSync('ps', ['-o', 'pid=', '--ppid', `${child.pid}`], {
    encoding: 'utf8',
  }).stdout.trim();
  child.kill(signal);
  for (const pid of children.split(/\s+/).filter((text) => text !== '')) {
    try {
      process.kill(Number(pid), signal);
    } catch {
      // It ended between the list and the signal.
    }
  }
}

/** PostgreSQL refuses to run as root: then the distribution's own user runs it, or nobody. */
export function serverUser(): { uid: number; gid: number } | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string, user: string) =>
    Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: 'pipe' }));
  for (const user of ['postgres', 'nobody']) {
    try {
      return { uid: id('-u', user), gid: id('-g', user) };
    } catch {
      // No such user here: the next one.
    }
  }
  return {};
}
