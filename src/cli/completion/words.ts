/**
 * What a shell may complete, read from the table of commands itself, so that the two cannot differ. Pure.
 */
import type { Argument, Command, Option } from 'commander';

/** A command, and what may follow it. */
export interface CompletedCommand {
  /** Its words, such as `control revoke`; empty for the program. */
  readonly path: string;
  readonly commands: readonly CompletedWord[];
  /** Its own flags and those of every command. */
  readonly flags: readonly CompletedFlag[];
  /** The values of its argument, if they are known. */
  readonly values: readonly string[];
}

/** A word, and what it is for. */
export interface CompletedWord {
  readonly name: string;
  readonly about: string;
}

/** A flag. */
export interface CompletedFlag {
  /** `-P`, if there is a short form. */
  readonly short: string | undefined;
  /** `--pool`. */
  readonly long: string;
  readonly about: string;
  readonly takesValue: boolean;
  /** The values it takes, if they are known. */
  readonly values: readonly string[];
}

/** Both forms of a flag. */
export function flagNames({ short, long }: CompletedFlag): string[] {
  return short === undefined ? [long] : [short, long];
}

/** The program, and all its commands below it. */
export function completedCommands(program: Command): CompletedCommand[] {
  return below(program, '', []);
}

function below(command: Command, path: string, shared: readonly CompletedFlag[]): CompletedCommand[] {
  const own = [...command.createHelp().visibleOptions(command).map(flagOf), ...shared];
  const visible = command.createHelp().visibleCommands(command);
  const commands = visible.map((inner) => ({ name: inner.name(), about: aboutOf(inner.description()) }));
  const values = command.registeredArguments.flatMap(valuesOf);
  // Only the program's own flags hold below it; its help and version flags are added there again.
  const inherited =
    path === '' ? own.filter(({ long }) => long !== '--help' && long !== '--version') : shared;
  return [
    { path, commands, flags: own, values },
    ...visible
      .filter((inner) => inner.name() !== 'help')
      .flatMap((inner) => below(inner, `${path} ${inner.name()}`.trim(), inherited)),
  ];
}

function flagOf(option: Option): CompletedFlag {
  return {
    short: option.short,
    long: option.long ?? option.flags,
    about: aboutOf(option.description),
    takesValue: option.required || option.optional,
    values: valuesOf(option),
  };
}

/** Those of a reader that knows them: see `choiceFlag`. */
function valuesOf({ parseArg }: Option | Argument): readonly string[] {
  const choices: unknown = parseArg === undefined ? undefined : Reflect.get(parseArg, 'choices');
  return Array.isArray(choices) ? choices.map(String) : [];
}

/** One line without quotes and colons, which shells would read. */
function aboutOf(description: string): string {
  return description.replaceAll(/['"`$\\[\]]/g, '').replaceAll(/\s+/g, ' ');
}
