/** The option `outbox`: where calls in a transaction are written down, for brokers that no transaction reaches. */
import { OptionError } from '../errors.js';
import { shownUrl } from '../options/readable.js';
import { show } from '../show.js';

/** A URL of a PostgreSQL database, or a `pg.Pool`. */
export type OutboxOption = string | object;

/** @throws {OptionError} for anything else */
export function checkOutbox(given: unknown, where: string): OutboxOption {
  if (typeof given === 'string') {
    const url = given.trim();
    if (/^postgres(ql)?:\/\//i.test(url) && URL.canParse(url)) return url;
    throw new OptionError(
      `${where}: outbox "${shownUrl(url)}" must be the URL of your PostgreSQL database, such as ` +
        'postgres://user:password@host:5432/database, or a pg.Pool.',
    );
  }
  if (typeof given === 'object' && given !== null && 'connect' in given && 'query' in given && 'end' in given)
    return given;
  throw new OptionError(
    `${where}: outbox must be a pg.Pool, or the URL of your PostgreSQL database; got ${show(given)}.`,
  );
}
