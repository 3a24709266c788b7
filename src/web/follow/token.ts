/**
 * Tokens that let a browser follow one task: the task's id and an expiry, signed with HMAC-SHA256. A token is
 * `<payload>.<signature>`, both base64url; the payload is `<expiry, epoch ms>.<task id>`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Duration, toPositiveMs } from '../../duration.js';
import { OptionError } from '../../errors.js';
import { checkNames } from '../../options/names.js';
import { GroupResult } from '../../results/group-result.js';
import { show } from '../../show.js';

/** What tokens are signed with: at least 16 bytes. Of several the first one signs, and all are accepted. */
export type FollowSecret = string | Uint8Array | readonly (string | Uint8Array)[];

/** Options of `followToken()`. */
export interface FollowTokenOptions {
  /** The secret that `follow()` has. */
  secret: FollowSecret;
  /** Until when the token lets in: after this long, or at this moment. Default: `'1h'`. */
  expires?: Duration | Date;
}

/**
 * Makes the token with which a browser may follow the task of `result`, and nothing else.
 * @throws {OptionError} for an invalid option
 * @example const url = `/follow/${followToken(await reports.generateReport.delay('42'), { secret })}`;
 */
export function followToken(result: { readonly id: string }, options: FollowTokenOptions): string {
  checkNames(options, ['secret', 'expires'], 'followToken()');
  const { secret, expires = '1h' } = options;
  if (result instanceof GroupResult)
    throw new OptionError('followToken(): a group is no task. Give the result of one of its members.');
  const id: unknown = result?.id;
  if (typeof id !== 'string' || id === '')
    throw new OptionError(`followToken(): give the result of a task; got ${show(result)}.`);
  const [key] = readSecrets(secret, 'followToken()');
  const until = expiryOf(expires);
  const payload = Buffer.from(`${until}.${id}`).toString('base64url');
  return `${payload}.${signatureOf(payload, key).toString('base64url')}`;
}

/**
 * The keys of a secret; there is at least one.
 * @throws {OptionError} for a secret that is missing or too short
 */
export function readSecrets(secret: unknown, where: string): readonly [Uint8Array, ...Uint8Array[]] {
  const [first, ...others] = (Array.isArray(secret) ? secret : [secret]).map((each) => keyOf(each, where));
  if (first !== undefined) return [first, ...others];
  throw new OptionError(`${where}: secret is an empty list. Give at least one secret.`);
}

/** The task that a token lets follow now; undefined for any token that does not. */
export function taskOfToken(
  token: string,
  keys: readonly Uint8Array[],
  now: number = Date.now(),
): string | undefined {
  const [payload = '', signature = '', ...more] = token.split('.');
  const given = Buffer.from(signature, 'base64url');
  let genuine = false;
  // All keys, so that the time taken says nothing about which one it was.
  for (const key of keys) {
    const own = signatureOf(payload, key);
    if (given.length === own.length && timingSafeEqual(given, own)) genuine = true;
  }
  if (!genuine || more.length > 0) return undefined;
  const text = Buffer.from(payload, 'base64url').toString();
  const dot = text.indexOf('.');
  return now < Number(text.slice(0, dot)) ? text.slice(dot + 1) : undefined;
}

/** The shortest secret, in bytes. */
const LEAST_BYTES = 16;

function keyOf(secret: unknown, where: string): Uint8Array {
  if (typeof secret !== 'string' && !(secret instanceof Uint8Array))
    throw new OptionError(`${where}: secret must be a string, bytes, or a list of them.`);
  const key = typeof secret === 'string' ? Buffer.from(secret) : secret;
  if (key.length >= LEAST_BYTES) return key;
  throw new OptionError(
    `${where}: a secret of ${key.length} bytes can be guessed. Give ${LEAST_BYTES} random bytes or more.`,
  );
}

function expiryOf(expires: unknown): number {
  if (!(expires instanceof Date)) return Date.now() + toPositiveMs(expires, 'followToken(): expires');
  const at = expires.getTime();
  if (Number.isFinite(at)) return at;
  throw new OptionError('followToken(): expires is an invalid Date.');
}

/** The name keeps signatures apart that another program makes with the same secret. */
function signatureOf(payload: string, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`celeriac follow\0${payload}`).digest();
}
