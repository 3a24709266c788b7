/**
 * The benchmark's own PostgreSQL: on a free port of 127.0.0.1, in a folder that is removed at the end, every commit on
 * disk as PostgreSQL does by itself. Its CPU is that of its processes, read from the system.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import pg from 'pg';
import { addressOf, type Broker, type BrokerReading, freePort, HOST, untilUp } from './broker.js';
import type { Child, Children } from './children.js';
import { treeUsage } from './process-tree.js';

const USER = 'bench';
/** Measurements have a database of their own, one after the other. */
const DATABASE = 'measured';
/** Where Debian puts what belongs to each version. */
const DEBIAN = '/usr/lib/postgresql';

interface Parts {
  readonly version: string;
  readonly port: number;
  readonly folder: string;
  readonly children: Children;
  readonly child: Child;
  readonly admin: pg.Client;
}

export class PostgresServer implements Broker {
  readonly scale = 0.1;
  readonly title: string;
  readonly address;

  private constructor(private readonly parts: Parts) {
    this.title = `PostgreSQL ${parts.version}`;
    this.address = addressOf(urlOf(parts.port, DATABASE));
  }

  /** @throws when PostgreSQL is not installed or does not answer */
  static async start(children: Children): Promise<PostgresServer> {
    const bin = binaries();
    const user = serverUser();
    const folder = await mkdtemp(join(tmpdir(), 'celeriac-bench-pg-'));
    await chmod(folder, 0o700);
    if (user !== undefined) await chown(folder, user.uid, user.gid);
    const data = join(folder, 'data');
    const as = { ...user, cwd: folder };
    const init = ['-D', data, '-U', USER, '-A', 'trust', '--no-sync'];
    execFileSync(join(bin, 'initdb'), init, { ...as, stdio: ['ignore', 'ignore', 'pipe'] });
    const port = await freePort();
    const where = ['-D', data, '-h', HOST, '-p', String(port), '-k', folder];
    const child = children.spawn(join(bin, 'postgres'), [...where, '-c', 'max_connections=300'], as);
    child.process.stdout.resume();
    const admin = await untilUp(child, () => connect(urlOf(port, 'postgres')));
    const { rows } = await admin.query<{ server_version: string }>('SHOW server_version');
    const version = rows[0]?.server_version.split(' ')[0] ?? '';
    return new PostgresServer({ version, port, folder, children, child, admin });
  }

  async flush(): Promise<void> {
    const { admin } = this.parts;
    await admin.query(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`);
    await admin.query(`CREATE DATABASE ${DATABASE}`);
    await admin.query('CHECKPOINT');
  }

  async read(): Promise<BrokerReading> {
    const { cpuMs } = await treeUsage(this.parts.child.pid);
    if (cpuMs === undefined) throw new Error('this platform does not tell what PostgreSQL has used');
    return { cpuMs };
  }

  async usedBytes(): Promise<number> {
    const { rows } = await this.parts.admin.query<{ bytes: string }>('SELECT pg_database_size($1) AS bytes', [
      DATABASE,
    ]);
    return Number(rows[0]?.bytes);
  }

  async stop(): Promise<void> {
    const { admin, children, child, folder } = this.parts;
    await admin.end();
    // SIGTERM would wait for sessions that are still open.
    child.process.kill('SIGINT');
    await children.stop(child, 5_000);
    await rm(folder, { recursive: true, force: true });
  }
}

function urlOf(port: number, database: string): string {
  return `postgres://${USER}@${HOST}:${port}/${database}`;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

function binaries(): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const version of versions) folders.push(join(DEBIAN, version, 'bin'));
  const bin = folders.find((folder) => existsSync(join(folder, 'initdb')));
  if (bin === undefined) throw new Error('initdb was not found: is PostgreSQL installed?');
  return bin;
}

/** PostgreSQL does not run as root. */
function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string): number =>
    Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}
