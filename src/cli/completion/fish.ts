/** Completion for fish, 3.1 and later. Pure text. */
import { quoted } from './quoted.js';
import { type CompletedCommand, type CompletedFlag, flagNames } from './words.js';

/** The script. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const paths = commands.map(({ path }) => path).filter((path) => path !== '');
  const valued = commands.flatMap(({ path, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .flatMap((flag) => flagNames(flag).map((name) => `${path}:${name}`)),
  );
  return `# Completion of celeriac for fish: celeriac completion fish | source
set -g __celeriac_paths ${paths.map(quoted).join(' ')}
set -g __celeriac_valued ${valued.map(quoted).join(' ')}

function __celeriac_at
  set -l at ''
  set -l takes 0
  for word in (commandline -opc)[2..-1]
    if test $takes = 1
      set takes 0
      continue
    end
    if string match -q -- '-*' $word
      if contains -- "$at:$word" $__celeriac_valued
        set takes 1
      end
    else if contains -- (string trim -- "$at $word") $__celeriac_paths
      set at (string trim -- "$at $word")
    end
  end
  test "$at" = "$argv[1]"
end

complete -c celeriac -e
${commands.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, flags, values }: CompletedCommand): string[] {
  // Within single quotes: fish evaluates it later.
  const start = `complete -c celeriac -n '__celeriac_at "${path}"'`;
  return [
    ...commands.map(({ name, about }) => `${start} -f -a ${quoted(name)} -d ${quoted(about)}`),
    ...values.map((value) => `${start} -f -a ${quoted(value)}`),
    ...flags.map((flag) => `${start} ${flagText(flag)} -d ${quoted(flag.about)}`),
  ];
}

function flagText({ short, long, takesValue, values }: CompletedFlag): string {
  const names = [...(short === undefined ? [] : [`-s ${short.slice(1)}`]), `-l ${long.slice(2)}`];
  if (values.length > 0) names.push(`-x -a ${quoted(values.join(' '))}`);
  else if (takesValue) names.push('-r');
  return names.join(' ');
}
