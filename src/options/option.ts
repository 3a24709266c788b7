/**
 * The definition of an option. A table has one entry per option, and only this entry defines the accepted values, the
 * default and the meaning: names, checks, defaults, flags and the reference page come from it.
 */

/** The context in which options are read: for errors, and for durations and moments. */
export interface OptionPlace {
  /** The beginning of error messages: `@Task('mail')`. */
  readonly where: string;
  /** Epoch ms from which durations count. */
  readonly now: number;
  /** The zone of moments that name none. */
  readonly timezone: string | undefined;
}

/** The place of options that need no clock. */
export function at(where: string): OptionPlace {
  return { where, now: 0, timezone: undefined };
}

/** The suffix of a resolved option's name: durations are milliseconds, moments epoch milliseconds. */
export type Unit = '' | 'Ms' | 'At';

/** A kind of value: the accepted type, and the type it is resolved to. */
export interface Kind<In, Out, U extends Unit> {
  /** `duration`, `count`, `one of`: selects the parser of a command line flag. */
  readonly kind: string;
  readonly unit: U;
  readonly isNullable: boolean;
  /** The words of a `one of`. */
  readonly choices?: readonly string[];
  /** @throws {OptionError} which names the place, the option, the value and what to write instead */
  read(value: unknown, name: string, place: OptionPlace): Out;
  /** Never set: it carries `In` for the compiler, exactly. */
  readonly accepts?: (value: In) => In;
}

/** A flag of the command line that sets an option. */
export interface Flag {
  /** As in the help: `-c, --concurrency <n>`. */
  readonly spec: string;
  readonly help: string;
}

/** The properties of an option beside its kind. */
export interface Facts<In> {
  /** The default, in written form. */
  readonly default?: In;
  /** The default in words, if there is no value to write, or more to say. */
  readonly without?: string;
  /** One line of Markdown for the reference page. */
  readonly doc: string;
  /** The environment variable that sets it. */
  readonly env?: string;
  readonly flags?: readonly Flag[];
}

/** An option of any kind. */
export type AnyOption = Omit<Kind<never, unknown, Unit>, 'accepts'> & Facts<unknown>;

/** An option that accepts `In` and resolves to `Out`. */
export type Option<In, Out, U extends Unit> = Kind<In, Out, U> & Facts<unknown>;

/** Makes an entry. An entry with a default never resolves to undefined. */
export function option<In, Out, U extends Unit>(
  kind: Kind<In, Out, U>,
  facts: Facts<NoInfer<In>> & { readonly default: NoInfer<In> },
): Option<In, Out, U>;
export function option<In, Out, U extends Unit>(
  kind: Kind<In, Out, U>,
  facts: Facts<NoInfer<In>>,
): Option<In, Out | undefined, U>;
export function option<In, Out, U extends Unit>(
  kind: Kind<In, Out, U>,
  facts: Facts<NoInfer<In>>,
): Option<In, Out | undefined, U> {
  return { ...kind, ...facts };
}
