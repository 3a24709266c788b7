/**
 * Redis addresses: broker URL → how to make a client. One place knows the difference between one server, Sentinel
 * and Cluster; everybody else asks `duplicate(options)`.
 */
import { readFileSync } from 'node:fs';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { OptionError } from '../../errors.js';
import { shownUrl } from '../../options/readable.js';
import type { EngineKind } from '../broker.js';
import { type HostPort, SentinelWatch } from './sentinel-watch.js';

/** Client options; the reply mapping stays ioredis's default, which BullMQ reads. */
export type LinkOptions = Omit<RedisOptions, 'replyMapping'>;

/** An ioredis client of either kind. */
export type RedisClient = Redis | Cluster;

/** A Redis to connect to. */
export interface RedisUrl {
  /** All addresses, where the URL names several. */
  readonly hosts?: readonly HostPort[];
  readonly kind: EngineKind;
  /** For people; never a password. */
  readonly address: string;
  readonly db: number;
  /** What a connection to one node of a Cluster takes: login and TLS. Asked for, so that showing a target shows no password. */
  nodeOptions?(): LinkOptions;
  /** Is shown each client that is made, and each duplicate of one. */
  watch?(client: RedisClient): void;
  /** A new, lazily connecting client with these options on top. */
  connect(options: LinkOptions): RedisClient;
}

/**
 * Reads a `redis: rediss: unix: sentinel: cluster: clusters:` URL.
 * @throws {OptionError} naming the part that cannot be read, without the password
 */
export function parseRedisUrl(text: string): RedisUrl {
  const scheme = text.slice(0, text.indexOf(':')).toLowerCase();
  if (scheme === 'sentinel' || scheme === 'cluster' || scheme === 'clusters') return parseHosts(scheme, text);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new OptionError(`broker: "${shownUrl(text)}" is not a URL. Example: redis://localhost:6379/0`);
  }
  const auth = credentials(url);
  if (scheme === 'unix') {
    const path = decoded(url.pathname);
    const db = dbNumber(url.searchParams.get('db') ?? '', text);
    return single({ ...auth, path, db }, `unix://${path}`, db);
  }
  const db = dbNumber(url.pathname.slice(1), text);
  const port = url.port === '' ? 6379 : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1';
  const tls = scheme === 'rediss' ? { tls: tlsOptions(url) } : {};
  return single(
    { ...auth, host, port, db, ...tls },
    `${scheme}://${url.hostname || '127.0.0.1'}:${port}/${db}`,
    db,
  );
}

/** A target that duplicates a client the caller made; the client itself is never touched. */
export function duplicateOf(client: RedisClient): RedisUrl {
  if (client.isCluster) {
    const cluster = client as Cluster;
    const nodes = cluster.nodes().map((node) => `${node.options.host}:${node.options.port}`);
    const { replyMapping: _, ...own } = cluster.options.redisOptions ?? {};
    return {
      kind: 'cluster',
      address: `cluster://${nodes.join(',')}`,
      db: 0,
      nodeOptions: () => own,
      connect: (options) =>
        cluster.duplicate([], {
          ...clusterOptions(options),
          redisOptions: { ...own, ...options, lazyConnect: true },
        }),
    };
  }
  const redis = client as Redis;
  const { host = '127.0.0.1', port = 6379, db = 0, path, sentinels, name } = redis.options;
  const watch = sentinels && watching(redis.options);
  const address = path ? `unix://${path}` : `redis://${host}:${port}/${db}`;
  return {
    kind: sentinels ? 'sentinel' : 'redis',
    address: sentinels
      ? `sentinel://${sentinels.map((s) => `${s.host}:${s.port}`).join(',')}/${name}/${db}`
      : address,
    db,
    ...(watch && { watch }),
    connect: (options) => redis.duplicate({ lazyConnect: true, ...options }),
  };
}

/** Makes the clients it is shown follow the master. */
function watching(options: RedisOptions): (client: RedisClient) => void {
  const { sentinels = [], name = '', natMap, sentinelTLS } = options;
  const watch = new SentinelWatch({
    name,
    sentinels: sentinels.map(({ host = '127.0.0.1', port = 26379 }) => ({ host, port })),
    username: options.sentinelUsername,
    password: options.sentinelPassword,
    translated: natMap !== undefined,
    ...(sentinelTLS && { tls: sentinelTLS }),
  });
  return (client) => watch.follow(client as Redis);
}

function single(own: LinkOptions, address: string, db: number): RedisUrl {
  return {
    kind: 'redis',
    address,
    db,
    connect: (options) => new Redis({ lazyConnect: true, ...own, ...options }),
  };
}

/** `sentinel://h1:1,h2:2/<master>/<db>` and `cluster://h1:1,h2:2`: several hosts, which URL cannot read. */
function parseHosts(scheme: 'sentinel' | 'cluster' | 'clusters', text: string): RedisUrl {
  const match = /^\w+:\/\/(?:([^@/]*)@)?([^/?]+)(\/[^?]*)?(?:\?(.*))?$/.exec(text);
  if (match === null) throw new OptionError(`broker: "${shownUrl(text)}" names no hosts.`);
  const [, userinfo = '', hostList = '', path = ''] = match;
  const url = new URL(`redis://${userinfo ? `${userinfo}@` : ''}h?${match[4] ?? ''}`);
  const auth = credentials(url);
  const hosts = hostList
    .split(',')
    .map((host) => parseHost(host, scheme === 'sentinel' ? 26379 : 6379, text));
  const shown = hosts.map((h) => `${h.host}:${h.port}`).join(',');
  if (scheme === 'sentinel') {
    const [, master = '', dbText = ''] = path.split('/');
    if (master === '')
      throw new OptionError(
        `broker: "${shownUrl(text)}": sentinel://host:port/<master>/<db> needs the master's name.`,
      );
    const db = dbNumber(dbText, text);
    const own: LinkOptions = { ...auth, sentinels: hosts, name: master, db };
    return {
      kind: 'sentinel',
      hosts,
      address: `sentinel://${shown}/${master}/${db}`,
      db,
      watch: watching(own),
      connect: (options) => new Redis({ lazyConnect: true, ...own, ...options }),
    };
  }
  const tls = scheme === 'clusters' ? { tls: tlsOptions(url) } : {};
  return {
    kind: 'cluster',
    hosts,
    address: `${scheme}://${shown}`,
    db: 0,
    nodeOptions: () => ({ ...auth, ...tls }),
    connect: (options) =>
      new Cluster(hosts, {
        ...clusterOptions(options),
        redisOptions: { ...auth, ...tls, ...options, lazyConnect: true },
      }),
  };
}

/** What a Cluster client takes at its own level of the options a node would take. */
function clusterOptions(options: LinkOptions): ClusterOptions {
  return {
    lazyConnect: options.lazyConnect ?? true,
    // One second is ioredis's; a busy machine is no broken Cluster.
    slotsRefreshTimeout: 5_000,
    enableOfflineQueue: options.enableOfflineQueue ?? true,
    clusterRetryStrategy: (times) => options.retryStrategy?.(times) ?? null,
  };
}

function parseHost(text: string, defaultPort: number, url: string): { host: string; port: number } {
  const [, host, digits] = /^(\[[^\]]+\]|[^:@]+)(?::(\d+))?$/.exec(text.trim()) ?? [];
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host === undefined || port > 65_535)
    throw new OptionError(`broker: "${shownUrl(url)}": its hosts must be host:port, separated by commas.`);
  return { host: host.replace(/^\[|\]$/g, ''), port };
}

function credentials(url: URL): { username?: string; password?: string } {
  return {
    ...(url.username && { username: decoded(url.username) }),
    ...(url.password && { password: decoded(url.password) }),
  };
}

/** A "%" that encodes nothing is one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // written as it is, without encoding
  }
}

function tlsOptions(url: URL): { readonly ca?: Buffer } {
  const path = url.searchParams.get('ca');
  if (path === null) return {};
  // Asked for at each connect: making an app reads no file.
  return {
    get ca() {
      return readFileSync(path);
    },
  };
}

function dbNumber(text: string, url: string): number {
  if (/^\d*$/.test(text)) return Number(text);
  // Not quoted: what stands there may be the end of a password with a "/" in it.
  throw new OptionError(
    `broker: "${shownUrl(url)}": the database, after the host and "/", must be a number.`,
  );
}
