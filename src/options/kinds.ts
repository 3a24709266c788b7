/**
 * The kinds of values that options take. Each converts a value from its written form into the form that the code uses,
 * or refuses it.
 */
import { type Duration, type Moment, toEpochMs, toMs, toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import {
  boolean,
  checkPriority,
  checkQueueName,
  func,
  optionalMs,
  positiveInteger,
  toExpiry,
  toMaxRetries,
} from './checks.js';
import type { Kind, OptionPlace, Unit } from './option.js';

/** A kind from a check that takes a value, and a place and name for its errors. */
export function checked<In, Out>(
  kind: string,
  check: (value: unknown, where: string) => Out,
): Kind<In, Out, ''> {
  return of(kind, '', (value, name, { where }) => check(value, `${where}: ${name}`));
}

/** Like {@link checked}, for a check that names its option itself. */
export function checkedByName<In, Out>(
  kind: string,
  check: (value: unknown, where: string) => Out,
): Kind<In, Out, ''> {
  return of(kind, '', (value, _name, { where }) => check(value, where));
}

/** Any value; the part that uses it checks it at once. */
export function given<In>(kind: string): Kind<In, In, ''> {
  return of(kind, '', (value) => value as In);
}

/** A kind that may be null as well, which means none. */
export function orNone<In, Out, U extends Unit>(kind: Kind<In, Out, U>): Kind<In | null, Out | null, U> {
  return {
    ...of(kind.kind, kind.unit, (value, name, place) =>
      value === null ? null : kind.read(value, name, place),
    ),
    isNullable: true,
  };
}

/** A kind that may be null as well, which means for ever. */
export function orForEver<In, Out, U extends Unit>(
  kind: Kind<In, Out, U>,
  forEver: Out,
): Kind<In | null, Out, U> {
  return {
    ...of(kind.kind, kind.unit, (value, name, place) =>
      value === null ? forEver : kind.read(value, name, place),
    ),
    isNullable: true,
  };
}

/** One of these words. */
export function oneOf<C extends string>(...choices: readonly C[]): Kind<C, C, ''> {
  return {
    ...of<C, C, ''>('one of', '', (value, name, { where }) => {
      const found = choices.find((choice) => choice === value);
      if (found !== undefined) return found;
      const words = choices.map((choice) => `'${choice}'`).join(' or ');
      throw new OptionError(`${where}: ${name} ${show(value)} must be ${words}.`);
    }),
    choices,
  };
}

/** 0 or longer. */
export const duration: Kind<Duration, number, 'Ms'> = of('duration', 'Ms', (value, name, { where }) =>
  toPositiveMs(value, `${where}: ${name}`),
);

/** A duration from now; a negative one is in the past. */
export const delay: Kind<Duration, number, 'Ms'> = of('duration', 'Ms', (value, name, { where }) =>
  toMs(value, `${where}: ${name}`),
);

/** A duration longer than 0. */
export const timeLimit: Kind<Duration, number, 'Ms'> = of(
  'duration',
  'Ms',
  (value, name, { where }) => optionalMs(value as Duration, `${where}: ${name}`) as number,
);

export const moment: Kind<Moment, number, 'At'> = of('moment', 'At', (value, name, { where, timezone }) =>
  toEpochMs(value, `${where}: ${name}`, timezone),
);

/** A moment, or a duration from now. */
export const expiry: Kind<Duration | Moment, number, 'At'> = of(
  'duration or moment',
  'At',
  (value, name, { where, now, timezone }) => toExpiry(value as Duration, now, `${where}: ${name}`, timezone),
);

/** 1 or more. */
export const count: Kind<number, number, ''> = checked('count', positiveInteger);

/** 0 or more. */
export const retries: Kind<number, number, ''> = checked('count', toMaxRetries);

export const priority: Kind<number, number, ''> = checkedByName('count', checkPriority);

export const flag: Kind<boolean, boolean, ''> = checked('boolean', (value, where) =>
  boolean(value, false, where),
);

export const queueName: Kind<string, string, ''> = of('text', '', (value, _name, { where }) => {
  checkQueueName(value, where);
  return value;
});

/** A function, passed on unchanged. */
export function functionOf<F>(): Kind<F, F, ''> {
  return checked('function', (value, where) => func(value as F, where) as F);
}

/** A kind from a function that reads it. */
export function of<In, Out, U extends Unit>(
  kind: string,
  unit: U,
  read: (value: unknown, name: string, place: OptionPlace) => Out,
): Kind<In, Out, U> {
  return { kind, unit, isNullable: false, read };
}
