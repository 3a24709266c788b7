/**
 * Settings as plain data for people. Values that JSON cannot carry become a short name of their kind. It must never
 * show a secret, neither under a secret's name nor inside a URL.
 */

/** The replacement for a secret. */
export const MASK = '********';

/** Celery masks by name too: `API|TOKEN|KEY|SECRET|PASS|SIGNATURE|DATABASE`; here "key" alone is a word of our own. */
const SECRET =
  /pass(word|phrase|wd)?$|passw(or)?d|pwd$|secret|token|credential|signature|authori[sz]ation|cookie|bearer|^auth$|(api|private|access|encryption)[-_]?key/i;
const DEPTH = 6;
/** A URL inside a URL, with a login in it. */
const ENCODED_LOGIN = /%3a%2f%2f.*%40/i;

/** True if a value of this name is a secret. */
export function isSecretName(name: string): boolean {
  return SECRET.test(name);
}

/** A copy that JSON can carry, with secrets masked. */
export function readable(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return maskUrl(value);
  if (typeof value === 'function') return value.name === '' ? '[function]' : `[function ${value.name}]`;
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value.toJSON();
  if (value instanceof RegExp) return String(value);
  if (Array.isArray(value)) return value.map((item) => readable(item, depth + 1));
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? 'Object';
  // A serializer: its other fields may be keys.
  if ('encode' in value && 'decode' in value)
    return String((value as { name?: unknown }).name ?? `[${name}]`);
  if (name !== 'Object' || depth >= DEPTH) return `[${name}]`;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, isSecretName(key) ? MASK : readable(item, depth + 1)]),
  );
}

/** The text with passwords, and secrets in the query, of each URL in it masked. */
export function maskUrl(text: string): string {
  return text
    .replace(/([a-z][a-z+.-]{0,20}:\/\/[^\s/?#@]*?:)[^\s/?#]*(@)/gi, `$1${MASK}$2`)
    .replace(/([?&][^=&\s#]*=)([^&\s#]*)/g, (whole, name: string, value: string) =>
      isSecretName(name.slice(1, -1)) || ENCODED_LOGIN.test(value) ? `${name}${MASK}` : whole,
    );
}

/**
 * A URL that is safe to show. It may be misspelt in any way, so every part that could be a password is masked: messages
 * about addresses often concern one with an extra "@" or "/".
 */
export function shownUrl(url: string): string {
  const [head = ''] = /^\s*(?:[a-z][a-z0-9+.-]*:)?(?:\/\/)?/i.exec(url) ?? [];
  const rest = url.slice(head.length);
  const at = rest.lastIndexOf('@');
  return at < 0 ? maskUrl(url) : maskUrl(head + shownLogin(rest.slice(0, at), head) + rest.slice(at));
}

/** A login without its password; with neither a colon in it nor slashes before it, all of it is masked. */
function shownLogin(login: string, head: string): string {
  const colon = login.indexOf(':');
  if (colon >= 0) return login.slice(0, colon + 1) + MASK;
  return head.endsWith('//') ? login : MASK;
}
