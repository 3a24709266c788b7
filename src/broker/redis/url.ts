/**
 * Redis addresses: parses a broker URL and makes clients for it. The only file that knows how one server, Sentinel and
 * Cluster differ when connecting; all others call `connect(options)`.
 */
import { readFileSync } from 'node:fs';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { OptionError } from '../../errors.js';
import { shownUrl } from '../../options/readable.js';
import type { EngineKind } from '../broker.js';
import { type HostPort, SentinelWatch } from './sentinel-watch.js';

/** Client options. Without the reply mapping, which must stay ioredis's default for BullMQ. */
export type LinkOptions = Omit<RedisOptions, 'replyMapping'>;

/** An ioredis client of either kind. */
export type RedisClient = Redis | Cluster;

/** A Redis to connect to. */
export interface RedisUrl {
  /** All addresses, for URLs that can name several. */
  readonly hosts?: readonly HostPort[];
  readonly kind: EngineKind;
  /** The address for display; never contains a password. */
  readonly address: string;
  readonly db: number;
  /** Login and TLS for a connection to one node of a Cluster. A function, so that the password is never enumerable. */
  nodeOptions?(): LinkOptions;
  /** Called with each client that is made, and with each duplicate. */
  watch?(client: RedisClient): void;
  /** Makes a client that connects lazily, with these options on top. */
  connect(options: LinkOptions): RedisClient;
}

/**
 * Reads a `redis: rediss: unix: sentinel: cluster: clusters:` URL.
 * @throws {OptionError} naming the part that cannot be read, never the password
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

/** A target that duplicates a caller's client. The client itself must not be touched. */
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
          redisOptions: { ...own, ...options, ...nameOf(own), lazyConnect: true },
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
    connect: (options) => redis.duplicate({ lazyConnect: true, ...options, ...nameOf(redis.options) }),
  };
}

/** A name that the caller gave to its client stays. */
function nameOf({ connectionName }: LinkOptions): LinkOptions {
  return connectionName ? { connectionName } : {};
}

/** A `watch` function that makes clients follow the master. */
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

/** Parses `sentinel://h1:1,h2:2/<master>/<db>` and `cluster://h1:1,h2:2`: `URL` cannot parse several hosts. */
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

/** The options of a Cluster client itself, derived from the options of its nodes. */
function clusterOptions(options: LinkOptions): ClusterOptions {
  return {
    lazyConnect: options.lazyConnect ?? true,
    // ioredis's default is one second; a busy machine may need longer.
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

/** Decodes a text. Text with a "%" that encodes nothing stays as it is. */
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
  // Read at each connect, so that making an app reads no file.
  return {
    get ca() {
      return readFileSync(path);
    },
  };
}

function dbNumber(text: string, url: string): number {
  if (/^\d*$/.test(text)) return Number(text);
  // The text is not quoted, since it may be the end of a password with a "/" in it.
  throw new OptionError(
    `broker: "${shownUrl(url)}": the database, after the host and "/", must be a number.`,
  );
}
