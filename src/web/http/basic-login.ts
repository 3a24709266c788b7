/** Names and passwords of HTTP's Basic scheme. Compared in a time that says nothing of them. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { OptionError } from '../../errors.js';

export class BasicLogin {
  /** Digests, which have one length. */
  readonly #known: readonly { readonly name: string; readonly digest: Buffer }[];

  /**
   * @param pairs `user:password` each
   * @throws {OptionError} for a pair without a name or a password; the message does not show it
   */
  constructor(pairs: readonly string[], where: string) {
    this.#known = pairs.map((pair, i) => {
      const colon = pair.indexOf(':');
      if (colon > 0 && colon < pair.length - 1) return { name: pair.slice(0, colon), digest: digestOf(pair) };
      throw new OptionError(`${where}: the ${ordinal(i + 1)} one is not user:password.`);
    });
  }

  /** The name that a header logs in; undefined when it logs nobody in. Takes the same time for any. */
  check(header: string | null): string | undefined {
    const [, encoded = ''] = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header ?? '') ?? [];
    const digest = digestOf(Buffer.from(encoded, 'base64').toString('utf8'));
    let found: string | undefined;
    for (const known of this.#known) if (timingSafeEqual(known.digest, digest)) found = known.name;
    return found;
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function ordinal(n: number): string {
  return `${n}${n === 1 ? 'st' : n === 2 ? 'nd' : n === 3 ? 'rd' : 'th'}`;
}
