/** A private PgBouncer in front of a private PostgreSQL, gone with the test. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { type PostgresServer, serverUser } from './postgres.js';
import { endProcess, endWithUs, freePort, untilAnswering } from './servers.js';

/** The program, or `undefined` where it is not installed. */
export function pgbouncerBinary(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  return folders.map((folder) => join(folder, 'pgbouncer')).find((path) => existsSync(path));
}

/** @returns its URL, with the user and the password of the server */
export async function startPgbouncer(
  t: Pick<TestContext, 'after'>,
  server: PostgresServer,
  mode: 'session' | 'transaction',
): Promise<string> {
  const binary = pgbouncerBinary();
  if (binary === undefined) throw new Error('pgbouncer was not found: install it to run these tests.');
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-pgbouncer-'));
  const who = serverUser();
  const port = await freePort();
  const config = join(dir, 'config.ini');
  const users = join(dir, 'users.txt');
  await writeFile(users, '"celeriac" "secret"\n');
  const lines = [
    '[databases]',
    `postgres = host=127.0.0.1 port=${server.port} dbname=postgres`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${users}`,
    `pool_mode = ${mode}`,
    'default_pool_size = 30',
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  await chmod(dir, 0o755);
  if ('uid' in who) for (const path of [dir, config, users]) await chown(path, who.uid, who.gid);
  const child = spawn(binary, [config], { ...who, cwd: dir, stdio: 'ignore' });
  child.unref();
  endWithUs(child, 'SIGQUIT');
  const url = `postgres://celeriac:secret@127.0.0.1:${port}/postgres`;
  await untilAnswering(child, async () => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
    } finally {
      await client.end();
    }
  });
  t.after(async () => {
    await endProcess(child, 'SIGQUIT');
    await rm(dir, { recursive: true, force: true });
  });
  return url;
}
