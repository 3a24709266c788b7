/**
 * A table of options: its names, and the only code that reads them. `undefined` counts as absent everywhere; `null`
 * means none, or for ever, for the few options that allow it, and is refused for the others.
 */
import { OptionError } from '../errors.js';
import { checkOptions, unknownName } from './names.js';
import type { AnyOption, Option, OptionPlace, Unit } from './option.js';

/** Options by their names. */
export interface Definitions {
  readonly [name: string]: AnyOption;
}

/** The table that an interface of options needs: the same names, and the same values. */
export type TableOf<T> = {
  readonly [K in keyof T]-?: Option<Exclude<T[K], undefined>, unknown, Unit>;
};

type Key<K, O> = K extends string
  ? O extends { readonly unit: infer U extends Unit }
    ? `${K}${U}`
    : K
  : never;
type Out<O> = O extends { read(value: unknown, name: string, place: OptionPlace): infer R } ? R : never;

/** The given options in resolved form: `timeLimit: '1m'` is `timeLimitMs: 60000`. A valid null stays null. */
export type Provided<D> = { readonly [K in keyof D as Key<K, D[K]>]: Out<D[K]> | undefined };

/** All options of a table in resolved form, with their defaults. There is no lower layer, so null is undefined here. */
export type Resolved<D> = { readonly [K in keyof D as Key<K, D[K]>]: Exclude<Out<D[K]>, null> };

interface TableEntry {
  readonly name: string;
  /** The name and its unit. */
  readonly key: string;
  readonly option: AnyOption;
}

export class OptionTable<D extends Definitions> {
  readonly #entries: ReadonlyMap<string, TableEntry>;

  /** Every key with the value undefined. */
  readonly #nothing: object;

  constructor(definitions: D) {
    this.#entries = new Map(
      Object.entries(definitions).map(([name, option]) => [name, { name, key: name + option.unit, option }]),
    );
    this.#nothing = Object.fromEntries([...this.#entries.values()].map(({ key }) => [key, undefined]));
  }

  names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /**
   * Refuses unknown names, and null if it is not valid. Reads no value.
   * @throws {OptionError}
   */
  checkNames(options: unknown, where: string): void {
    checkOptions(options, where);
    for (const [name, value] of Object.entries(options)) this.#entryOf(name, value, where);
  }

  /**
   * Reads only the given options.
   * @throws {OptionError} for an unknown name or an invalid value
   */
  readGiven(options: object, place: OptionPlace): Provided<D> {
    checkOptions(options, place.where);
    // All results have one object shape, with the table's names only.
    const given = { ...this.#nothing } as { [key: string]: unknown };
    for (const name of Object.keys(options)) {
      const value: unknown = Reflect.get(options, name);
      const entry = this.#entryOf(name, value, place.where);
      if (entry !== undefined) given[entry.key] = entry.option.read(value, name, place);
    }
    return given as Provided<D>;
  }

  /**
   * Reads every option of the table, with the default for absent ones. Ignores other names.
   * @throws {OptionError} for an invalid value
   */
  resolve(options: object, place: OptionPlace): Resolved<D> {
    const read = [...this.#entries.values()].map(({ name, key, option }) => {
      const given: unknown = Reflect.get(options, name);
      const value = given === undefined ? option.default : given;
      return [key, value === undefined ? undefined : (option.read(value, name, place) ?? undefined)];
    });
    return Object.fromEntries(read) as Resolved<D>;
  }

  /** The options set by environment variables. An empty variable counts as unset, as in a shell. */
  fromEnvironment(env: Readonly<Record<string, string | undefined>>): object {
    const set = [...this.#entries.values()].flatMap(({ name, option }) => {
      const value = option.env === undefined ? undefined : env[option.env];
      return value === undefined || value === '' ? [] : [[name, value] as const];
    });
    return Object.fromEntries(set);
  }

  /** Resolved options under the users' names; durations are milliseconds. */
  byName(read: Resolved<D>): object {
    return Object.fromEntries(
      [...this.#entries.values()].map(({ name, key }) => [name, Reflect.get(read, key)] as const),
    );
  }

  /** @returns undefined for an absent option */
  #entryOf(name: string, value: unknown, where: string): TableEntry | undefined {
    if (value === undefined) return undefined;
    const entry = this.#entries.get(name);
    if (entry === undefined) throw unknownName(name, this.names(), where);
    if (value === null && !entry.option.isNullable)
      throw new OptionError(`${where}: ${name} must not be null. Leave it out for its default.`);
    return entry;
  }
}

/**
 * A table for an interface of options; it compiles only if both have the same names and values.
 * @example const TASK = optionTable<TaskOptions>()(TASK_OPTIONS)
 */
export function optionTable<T>() {
  return <D extends Definitions & TableOf<T>>(
    definitions: D & { readonly [K in Exclude<keyof D, keyof T>]: never },
  ): OptionTable<D> => new OptionTable<D>(definitions);
}
