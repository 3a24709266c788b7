/**
 * The two forms of a crontab, an expression or an object of fields, converted to one expression of five fields. Each
 * field is validated here, so that errors name it. Beyond standard cron: ranges may wrap (`fri-mon`, as in Celery),
 * `L` is a month's last day, `5#2` its second Friday, `5L` its last one.
 */
import { OptionError } from '../errors.js';
import { checkNames } from '../options/names.js';
import { show } from '../show.js';

/** A field: a number, cron's text (`'*\/5'`, `'1-5'`, `'mon,fri'`), or several of these. */
export type CronField = number | string | readonly (number | string)[];

/** Celery's `crontab` arguments. Omitted fields are `*`. */
export interface CronFields {
  /** 0–59. */
  minute?: CronField;
  /** 0–23. */
  hour?: CronField;
  /** 0–7 or names; 0 and 7 are Sunday. */
  dayOfWeek?: CronField;
  /** 1–31, or `L` for the last. Both day fields given: either may match, as in standard cron. */
  dayOfMonth?: CronField;
  /** 1–12 or names. */
  monthOfYear?: CronField;
}

interface FieldRule {
  readonly name: keyof CronFields;
  readonly min: number;
  readonly max: number;
  /** Names of values; the first one is `min` (for Sunday, 0). */
  readonly names?: readonly string[];
  /** Text that cron-parser accepts beyond numbers. */
  readonly special?: RegExp;
}

/** In the order of an expression. */
const RULES: readonly FieldRule[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'dayOfMonth', min: 1, max: 31, special: /^l$/ },
  {
    name: 'monthOfYear',
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  {
    name: 'dayOfWeek',
    min: 0,
    max: 7,
    names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'],
    special: /^[0-7](l|#[1-5])$/,
  },
];

const SHORTHANDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '@yearly': '0 0 1 1 *',
    '@annually': '0 0 1 1 *',
    '@monthly': '0 0 1 * *',
    '@weekly': '0 0 * * 0',
    '@daily': '0 0 * * *',
    '@midnight': '0 0 * * *',
    '@hourly': '0 * * * *',
  }),
);

/** @throws {OptionError} naming the field */
export function readExpression(text: string): string {
  const known = SHORTHANDS.get(text.trim().toLowerCase());
  if (known !== undefined) return known;
  const fields = text.trim().split(/\s+/);
  if (fields.length !== RULES.length || text.trim() === '') {
    throw new OptionError(
      `crontab: ${show(text)} must have five fields: minute, hour, day of month, month, day of week. ` +
        "For seconds use every('30s').",
    );
  }
  return RULES.map((rule, i) => readField(fields[i] ?? '', rule)).join(' ');
}

/** @throws {OptionError} naming the field */
export function readFields(fields: CronFields): string {
  checkNames(fields, [...RULES.map(({ name }) => name), 'timezone'], 'crontab');
  return RULES.map((rule) => readField(fields[rule.name] === undefined ? '*' : fields[rule.name], rule)).join(
    ' ',
  );
}

/** The hours an expression names; `undefined` for every hour. */
export function hoursOf(expression: string): string | undefined {
  const hour = expression.split(' ')[1];
  return hour === '*' || hour === '*/1' || hour === '0-23' ? undefined : hour;
}

function readField(value: unknown, rule: FieldRule): string {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
  const atoms = parts.flatMap((part) => {
    if (typeof part === 'number' || typeof part === 'string') return String(part).split(',');
    throw refused(value, rule);
  });
  if (atoms.length === 0) throw refused(value, rule);
  return [...new Set(atoms.map((atom) => readAtom(atom.trim().toLowerCase(), rule)))].join(',');
}

function readAtom(atom: string, rule: FieldRule): string {
  if (rule.special?.test(atom)) return atom.toUpperCase();
  const [, range = '', from = '', to, step] =
    /^(\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:\/(\d+))?$/.exec(atom) ?? [];
  if (range === '' || (step !== undefined && Number(step) < 1)) throw refused(atom, rule);
  const by = step === undefined ? '' : `/${Number(step)}`;
  if (range === '*') return `*${by}`;
  const first = readValue(from, rule);
  if (to === undefined) return step === undefined ? String(first) : `${first}-${lastOf(rule)}${by}`;
  const last = readValue(to, rule);
  return first <= last ? `${first}-${last}${by}` : wrapped(first, last, Number(step ?? 1), rule);
}

function readValue(text: string, rule: FieldRule): number {
  const named = rule.names?.indexOf(text) ?? -1;
  const value = named >= 0 ? named + rule.min : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= rule.min && value <= rule.max) return value;
  throw refused(text, rule);
}

/** `fri-mon`: wraps past the maximum to the minimum. */
function wrapped(first: number, last: number, step: number, rule: FieldRule): string {
  const values: number[] = [];
  const length = lastOf(rule) - rule.min + 1;
  for (let i = 0; i <= last + length - first; i += step)
    values.push(((first - rule.min + i) % length) + rule.min);
  return [...new Set(values)].join(',');
}

/** The last value; a Sunday as 7 is only another name for 0. */
function lastOf(rule: FieldRule): number {
  return rule.name === 'dayOfWeek' ? 6 : rule.max;
}

function refused(value: unknown, rule: FieldRule): OptionError {
  const names = rule.names === undefined ? '' : `, names (${rule.names[0]}, ${rule.names[1]}, …)`;
  return new OptionError(
    `crontab: ${rule.name} ${show(value)} cannot be read. Use ${rule.min} to ${rule.max}${names}, '*', '*/5', '1-5', ` +
      'or a list of these.',
  );
}
