/**
 * Checks a Redis (or Valkey) server: its version, role, memory, eviction and persistence, and which of several addresses
 * answer. Reads INFO only.
 */
import { connect } from 'node:net';
import { type CheckResult, ok, problem, warning } from '../check-result.js';
import type { HostPort } from './sentinel-watch.js';
import type { RedisClient } from './url.js';

/** The fields of INFO, by name. */
export type RedisInfo = ReadonlyMap<string, string>;

export async function readInfo(client: RedisClient): Promise<RedisInfo> {
  const text = await client.info();
  const lines = text.split('\n').map((line) => line.trim().split(':'));
  return new Map(lines.map(([name = '', ...value]) => [name, value.join(':')] as const));
}

export function examineRedis(info: RedisInfo): CheckResult[] {
  // Without the right to INFO there are only the facts of HELLO: version and role.
  if (!info.has('used_memory'))
    return [version(info), role(info), UNREAD].filter((found) => found !== undefined);
  return [version(info), role(info), memory(info), eviction(info), persistence(info)].filter(
    (finding) => finding !== undefined,
  );
}

const UNREAD = warning(
  'rights',
  'this user may not read INFO',
  'Grant it +info to have memory, eviction and persistence looked at; celeriac itself does not need it.',
);

const OLDEST = [6, 2];

function version(info: RedisInfo): CheckResult {
  const valkey = info.get('valkey_version');
  const text = valkey ?? info.get('redis_version') ?? 'unknown';
  const found = `${valkey === undefined ? 'Redis' : 'Valkey'} ${text}`;
  const [major = 0, minor = 0] = text.split('.').map(Number);
  const [oldMajor = 0, oldMinor = 0] = OLDEST;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) return ok('version', found);
  return problem('version', found, `Upgrade it to ${OLDEST.join('.')} or newer.`);
}

function role(info: RedisInfo): CheckResult | undefined {
  if (info.get('role') !== 'slave') return undefined;
  return problem(
    'role',
    `it is a replica of ${info.get('master_host')}:${info.get('master_port')}, and takes no writes`,
    'Name the primary in the broker URL, or let Sentinel find it: sentinel://host:26379/<master>/0.',
  );
}

function memory(info: RedisInfo): CheckResult {
  const used = Number(info.get('used_memory') ?? 0);
  const most = Number(info.get('maxmemory') ?? 0);
  const found = `${megabytes(used)} in use${most > 0 ? ` of ${megabytes(most)}` : ', without a limit'}`;
  if (most === 0 || used < most * 0.8) return ok('memory', found);
  const advice =
    'At the limit it refuses new tasks. Raise maxmemory, drop what waits ("celeriac purge"), or keep records for less ' +
    'long (resultExpires, failureExpires).';
  return used < most * 0.95 ? warning('memory', found, advice) : problem('memory', found, advice);
}

function eviction(info: RedisInfo): CheckResult {
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const found = `maxmemory-policy is ${policy}`;
  if (policy === 'noeviction') return ok('eviction', found);
  const advice = 'Tasks would vanish when memory is short. Set maxmemory-policy to noeviction.';
  return Number(info.get('maxmemory') ?? 0) > 0
    ? problem('eviction', found, advice)
    : warning('eviction', `${found}, without a limit to act on so far`, advice);
}

function persistence(info: RedisInfo): CheckResult {
  const failing = (name: string) => info.get(name) !== undefined && info.get(name) !== 'ok';
  if (failing('rdb_last_bgsave_status') || failing('aof_last_write_status')) {
    return problem(
      'persistence',
      'the last attempt to write to disk failed',
      'Look at the log of the server: is the disk full, or not writable?',
    );
  }
  if (info.get('aof_enabled') === '1') return ok('persistence', 'append-only file');
  const lastSave = Number(info.get('rdb_last_save_time') ?? 0);
  // A server that has not saved since its start reports the time of its start.
  const startedAt =
    Number(info.get('server_time_usec') ?? 0) / 1e6 - Number(info.get('uptime_in_seconds') ?? 0);
  const saves = lastSave > startedAt + 2;
  return warning(
    'persistence',
    saves ? 'snapshots only' : 'no append-only file, and no snapshot since its start',
    `${saves ? 'What came after the last snapshot' : 'Everything'} is lost when it stops. Set appendonly to yes, with appendfsync everysec.`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(bytes < 10 * 1024 ** 2 ? 1 : 0)} MB`;
}

/** Checks which of several addresses accept connections: one may be wrong for years while the others answer. */
export async function examineAddresses(hosts: readonly HostPort[]): Promise<CheckResult[]> {
  const answers = await Promise.all(hosts.map(canConnect));
  return answers.map((why, i) => {
    const { host = '', port = 0 } = hosts[i] ?? {};
    const name = `${host}:${port}`;
    if (why === undefined) return ok('address', `${name} answers`);
    return warning(
      'address',
      `${name} does not answer (${why})`,
      'Start it, or take it out of the broker URL.',
    );
  });
}

const CONNECT_MS = 1000;

function canConnect({ host, port }: HostPort): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (why?: string) => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(CONNECT_MS, () => end(`no answer within ${CONNECT_MS} ms`));
    socket.once('connect', () => end());
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
