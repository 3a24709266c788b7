/**
 * What an option is. A table has one entry for each option, and the entry is the only place that says what is accepted,
 * what holds without it, and what it means: names, checks, defaults, flags and the reference page come from there.
 */

/** Where options are read, and by which clock. */
export interface OptionPlace {
  /** What errors begin with: `@Task('mail')`. */
  readonly where: string;
  /** Epoch ms that durations of a moment count from. */
  readonly now: number;
  /** Where moments count that name no zone. */
  readonly timezone: string | undefined;
}

/** The place of options that no clock is asked for. */
export function at(where: string): OptionPlace {
  return { where, now: 0, timezone: undefined };
}

/** What the name of a read value ends in: durations are milliseconds, moments epoch milliseconds. */
export type Unit = '' | 'Ms' | 'At';

/** A kind of value: what is accepted, and what it is read as. */
export interface Kind<In, Out, U extends Unit> {
  /** `duration`, `count`, `one of`: what a flag of the command line goes by. */
  readonly kind: string;
  readonly unit: U;
  readonly isNullable: boolean;
  /** The words of a `one of`. */
  readonly choices?: readonly string[];
  /** @throws {OptionError} which names the place, the option, the value and what to write instead */
  read(value: unknown, name: string, place: OptionPlace): Out;
  /** Never there: it holds `In` for the compiler, exactly. */
  readonly accepts?: (value: In) => In;
}

/** A flag of the command line that sets an option. */
export interface Flag {
  /** As in the help: `-c, --concurrency <n>`. */
  readonly spec: string;
  readonly help: string;
}

/** What is known of an option beside its kind. */
export interface Facts<In> {
  /** What holds without it, as it would be written. */
  readonly default?: In;
  /** What holds without it, in words: where there is no default to write, or more to say. */
  readonly without?: string;
  /** One line of Markdown for the reference page. */
  readonly doc: string;
  /** The environment variable that sets it. */
  readonly env?: string;
  readonly flags?: readonly Flag[];
}

/** An option of any kind. */
export type AnyOption = Omit<Kind<never, unknown, Unit>, 'accepts'> & Facts<unknown>;

/** An option that accepts `In` and is read as `Out`. */
export type Option<In, Out, U extends Unit> = Kind<In, Out, U> & Facts<unknown>;

/** An entry with a default is never read as undefined. */
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
