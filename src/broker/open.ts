/**
 * Opens the engine that the broker option names. The only file that knows which URL scheme belongs to which engine.
 */
import { OptionError } from '../errors.js';
import { brokerScheme, REDIS_SCHEMES } from '../options/broker-url.js';
import { show } from '../show.js';
import type { Engine, EngineConfig } from './broker.js';
import { openEmbedded } from './embedded/broker.js';
import { openPostgres } from './postgres/server.js';
import { openRedis } from './redis/broker.js';
import { duplicateOf, parseRedisUrl, type RedisClient } from './redis/url.js';

/**
 * Opens the engine that a broker option names. Nothing connects yet.
 * @throws {OptionError} for a URL or object that names no engine
 */
export function openEngine(broker: string | object, config: EngineConfig): Engine {
  if (typeof broker !== 'string') return openObject(broker, config);
  // A URL from a file or the environment may end with a line break.
  const url = broker.trim();
  const scheme = brokerScheme(url, 'broker');
  if (REDIS_SCHEMES.includes(scheme)) return openRedis(config, parseRedisUrl(url));
  switch (scheme) {
    case 'postgres':
    case 'postgresql':
      return openPostgres(config, { url });
    case 'memory':
      return openEmbedded(config, memoryTarget(url));
    default:
      return openEmbedded(config, { kind: 'file', dir: fileDirectory(url) });
  }
}

function openObject(broker: unknown, config: EngineConfig): Engine {
  if (typeof broker !== 'object' || broker === null)
    throw new OptionError(`broker must be a URL, an ioredis client or a pg.Pool, not ${show(broker)}.`);
  if (Array.isArray(broker))
    throw new OptionError(
      `broker must be one URL, not a list of ${broker.length}. Several servers that are one broker have one URL: ` +
        'sentinel://h1:26379,h2:26379/master for Sentinel, cluster://h1:7000,h2:7001 for a Cluster.',
    );
  if ('defineCommand' in broker && 'duplicate' in broker)
    return openRedis(config, duplicateOf(broker as RedisClient));
  if ('connect' in broker && 'query' in broker && 'end' in broker) {
    return openPostgres(config, { pool: broker as never });
  }
  throw new OptionError(
    'broker: this object is neither an ioredis client nor a pg.Pool. Pass one of those, or a URL.',
  );
}

function memoryTarget(url: string): { kind: 'memory'; name?: string } {
  const name = url.slice('memory://'.length).replace(/\/+$/, '');
  return name === '' ? { kind: 'memory' } : { kind: 'memory', name };
}

function fileDirectory(url: string): string {
  const path = decodedPath(url.slice('file://'.length));
  if (path === '' || path === '/')
    throw new OptionError(`broker: "${url}" names no folder. Example: file:///var/lib/myapp/tasks`);
  return path;
}

/** Decodes a path. Text with a "%" that encodes nothing stays as it is. */
function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // written as it is, without encoding
  }
}
