/**
 * The schemes of broker URLs. Which engine each belongs to is decided in `broker/open.ts`; the command line checks its
 * flag here, before it loads anything.
 */
import { OptionError } from '../errors.js';
import { nearest } from './names.js';
import { shownUrl } from './readable.js';

/** The schemes that mean Redis. */
export const REDIS_SCHEMES: readonly string[] = [
  'redis',
  'rediss',
  'unix',
  'sentinel',
  'cluster',
  'clusters',
];
const SCHEMES = [...REDIS_SCHEMES, 'postgres', 'postgresql', 'memory', 'file'];

/**
 * The scheme of a broker URL, in lower case.
 * @param where what errors begin with, such as `broker`
 * @throws {OptionError} for a URL of no broker, with the nearest scheme
 */
export function brokerScheme(url: string, where: string): string {
  const scheme = /^([a-z]+):\/\//i.exec(url)?.[1]?.toLowerCase() ?? '';
  if (SCHEMES.includes(scheme)) return scheme;
  const near = nearest(/^[a-z]*/i.exec(url)?.[0] ?? '', SCHEMES);
  const hint = near === undefined ? bareHostHint(url) : ` Did you mean ${near}:// ?`;
  throw new OptionError(
    `${where}: "${shownUrl(url)}" is no broker URL celeriac knows.${hint} Known: ${SCHEMES.join(':// ')}://`,
  );
}

/** A URL without a scheme most likely means Redis. */
function bareHostHint(url: string): string {
  return /^[\w.-]+:\d+(\/\d*)?$/.test(url) ? ` Did you mean redis://${url} ?` : '';
}
