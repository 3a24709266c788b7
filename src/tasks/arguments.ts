/**
 * Checks the arguments of a task at the call (`check` validates the input, which is sent unchanged) and in the worker
 * (`materialise` makes DTO instances and applies schemas). Both check every argument and report every violation. They
 * return a promise only if a schema needs one.
 */
import { InvalidArgumentsError, OptionError, type Violation } from '../errors.js';
import type { ArgumentReader, Reading } from './argument-reader.js';
import { argumentSchema, type JsonSchema } from './argument-schema.js';
import { dtoReader, isDtoClass } from './dto.js';
import { isStandardSchema, schemaReader } from './standard-schema.js';

/** Where argument declarations come from. */
export interface ArgumentOrigin {
  readonly taskName: string;
  /** True if written as `args:`, so that their number is checked too; false if found in emitted metadata. */
  readonly explicit: boolean;
  /** The arguments are hidden: errors say where something is wrong, and not what. */
  readonly discreet?: boolean;
}

/** Checks the arguments of one task. */
export interface ArgumentChecker {
  /**
   * On the calling side: validates, changes nothing.
   * @throws {InvalidArgumentsError} with every violation
   */
  check(args: readonly unknown[]): void | Promise<void>;
  /**
   * In the worker: returns the arguments for the method.
   * @throws {InvalidArgumentsError} with every violation
   */
  materialise(args: readonly unknown[]): unknown[] | Promise<unknown[]>;
  /** True if the schema at this position may rebuild a Date (or URL, BigInt, Map, Set) from its JSON form. */
  rebuilds(index: number): boolean;
  /** The same checks, whose errors tell nothing of the arguments. */
  discreet(): ArgumentChecker;
  /** The list as a JSON schema, for a form; undefined where the declaration cannot say it. */
  schema(): JsonSchema | undefined;
}

/**
 * Compiles a task's argument declarations; undefined if there is nothing to check.
 * @throws {OptionError} for an entry of `args:` that is no declaration
 */
export function compileArguments(
  specs: readonly unknown[],
  origin: ArgumentOrigin,
): ArgumentChecker | undefined {
  const readers = origin.explicit
    ? specs.map((spec, index) => explicitReader(spec, index, origin.taskName))
    : specs.map(emittedReader);
  if (!origin.explicit && readers.every((reader) => reader === undefined)) return undefined;
  return new Checker(readers, origin, origin.explicit ? specs : []);
}

const UNCHECKED: ReadonlySet<unknown> = new Set([Object, Array, String, Number, Boolean]);

function explicitReader(spec: unknown, index: number, taskName: string): ArgumentReader | undefined {
  if (isStandardSchema(spec)) return schemaReader(spec);
  if (UNCHECKED.has(spec)) return undefined;
  if (isDtoClass(spec)) return dtoReader(spec);
  const shown = typeof spec === 'function' ? `the class ${spec.name || '(anonymous)'}` : `${spec}`;
  throw new OptionError(
    `task "${taskName}": args[${index}] is ${shown}, which declares no argument. Give a class with class-validator ` +
      'decorators or a Standard Schema (zod, valibot, arktype)' +
      `${spec === undefined ? '; undefined often means that two modules import each other' : ''}.`,
  );
}

/** Emitted types check DTOs only, and do not show whether an argument is optional. */
function emittedReader(type: unknown): ArgumentReader | undefined {
  if (UNCHECKED.has(type) || !isDtoClass(type)) return undefined;
  const reader = dtoReader(type);
  return (value, path) => (value === undefined ? { value, violations: [] } : reader(value, path));
}

class Checker implements ArgumentChecker {
  constructor(
    private readonly readers: readonly (ArgumentReader | undefined)[],
    private readonly origin: ArgumentOrigin,
    private readonly specs: readonly unknown[],
  ) {}

  check(args: readonly unknown[]): void | Promise<void> {
    const readings = this.#readAll(args);
    if (readings instanceof Promise)
      return readings.then((late) => this.#refuse(late, args, 'Nothing was sent.'));
    return this.#refuse(readings, args, 'Nothing was sent.');
  }

  materialise(args: readonly unknown[]): unknown[] | Promise<unknown[]> {
    const finish = (readings: readonly Reading[]): unknown[] => {
      this.#refuse(readings, args, 'The task did not run.');
      return collect(readings, args);
    };
    const readings = this.#readAll(args);
    return readings instanceof Promise ? readings.then(finish) : finish(readings);
  }

  rebuilds(index: number): boolean {
    return this.readers[index] !== undefined;
  }

  discreet(): ArgumentChecker {
    return this.origin.discreet === true
      ? this
      : new Checker(this.readers, { ...this.origin, discreet: true }, this.specs);
  }

  schema(): JsonSchema | undefined {
    return argumentSchema(this.specs);
  }

  #readAll(args: readonly unknown[]): readonly Reading[] | Promise<readonly Reading[]> {
    const readings = this.readers.map((reader, index) => read(reader, args[index], String(index)));
    return readings.some((reading) => reading instanceof Promise)
      ? Promise.all(readings)
      : (readings as readonly Reading[]);
  }

  #refuse(readings: readonly Reading[], args: readonly unknown[], consequence: string): void {
    const found = readings.flatMap((reading) => reading.violations);
    if (this.origin.explicit) found.push(...surplus(args, this.readers.length));
    if (found.length === 0) return;
    const violations = this.origin.discreet === true ? discreetly(found) : found;
    const shown = violations.slice(0, MAX_SHOWN).map(({ path, message }) => `${path}: ${message}`);
    const more = violations.length > MAX_SHOWN ? `; and ${violations.length - MAX_SHOWN} more` : '';
    throw new InvalidArgumentsError(
      `The arguments of task "${this.origin.taskName}" do not fit its declaration: ${shown.join('; ')}${more}. ` +
        `${consequence} Paths start with the argument's position, from 0.`,
      violations,
    );
  }
}

/** Violations without anything of a value: a message may quote it, and a key may be one. */
function discreetly(violations: readonly Violation[]): Violation[] {
  const paths = violations.map(({ path }) =>
    path
      .split('.')
      .map((key, i) => (i === 0 || HARMLESS_KEY.test(key) ? key : '…'))
      .join('.'),
  );
  return [...new Set(paths)].map((path) => ({ path, message: 'is not what the task declares' }));
}

/** A property's name, or a short index. */
const HARMLESS_KEY = /^(?:[A-Za-z_$][\w$]{0,39}|\d{1,4})$/;

/** How many violations the message lists; `violations` has all of them. */
const MAX_SHOWN = 10;

function read(reader: ArgumentReader | undefined, value: unknown, path: string): Reading | Promise<Reading> {
  if (reader === undefined) return { value, violations: [] };
  try {
    const reading = reader(value, path);
    return reading instanceof Promise ? reading.catch((error: unknown) => unreadable(error, path)) : reading;
  } catch (error) {
    return unreadable(error, path);
  }
}

/** A user's validator or DTO constructor threw: the argument counts as refused. */
function unreadable(error: unknown, path: string): Reading {
  const reason = error instanceof Error ? error.message : `a ${typeof error} was thrown`;
  return { value: undefined, violations: [{ path, message: `could not be checked: ${reason}` }] };
}

function surplus(args: readonly unknown[], declared: number): Violation[] {
  const message = `is one too many: the task declares ${declared} argument${declared === 1 ? '' : 's'}`;
  const extra: Violation[] = [];
  for (let index = declared; index < args.length; index++) {
    if (args[index] !== undefined) extra.push({ path: String(index), message });
  }
  return extra;
}

/** The arguments after the schemas, including defaults for missing ones. */
function collect(readings: readonly Reading[], args: readonly unknown[]): unknown[] {
  const values = args.slice();
  for (const [index, reading] of readings.entries()) {
    if (index < args.length) values[index] = reading.value;
    else if (reading.value !== undefined) {
      while (values.length < index) values.push(undefined);
      values[index] = reading.value;
    }
  }
  return values;
}
