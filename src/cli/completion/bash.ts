/** Completion for bash, 3.2 and later. Pure text. */
import { quoted } from './quoted.js';
import { type CompletedCommand, flagNames } from './words.js';

/** The script. */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  return `# Completion of celeriac for bash: eval "$(celeriac completion bash)"
__celeriac_of() {
  subs= flags= valued= values=
  case $1 in
${commands.map(commandCase).join('\n')}
  *) return 1 ;;
  esac
}

__celeriac_values() {
  values=
  case "$1:$2" in
${commands.flatMap(valueCases).join('\n')}
  esac
}

_celeriac() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at= word flag= i subs flags valued values
  __celeriac_of ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    # bash splits --flag=value at the sign.
    if [[ $word == = ]]; then continue; fi
    if [[ -n $flag ]]; then flag=; continue; fi
    if [[ $word == -* ]]; then
      if [[ " $valued " == *" $word "* ]]; then flag=$word; fi
    elif [[ " $subs " == *" $word "* ]]; then
      at="\${at:+$at }$word"
      __celeriac_of "$at" || return 0
    fi
  done
  if [[ $cur == = ]]; then cur=; fi
  if [[ -n $flag ]]; then
    __celeriac_values "$at" "$flag"
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
  elif [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$subs $values" -- "$cur"))
  fi
}

complete -o default -F _celeriac celeriac
`;
}

function commandCase({ path, commands, flags, values }: CompletedCommand): string {
  const words = (list: readonly string[]) => quoted(list.join(' '));
  const parts = [
    `subs=${words(commands.map(({ name }) => name))}`,
    `flags=${words(flags.flatMap(flagNames))}`,
    `valued=${words(flags.filter(({ takesValue }) => takesValue).flatMap(flagNames))}`,
    `values=${words(values)}`,
  ];
  return `  ${quoted(path)})\n    ${parts.join('\n    ')} ;;`;
}

function valueCases({ path, flags }: CompletedCommand): string[] {
  return flags
    .filter(({ values }) => values.length > 0)
    .map((flag) => {
      const patterns = flagNames(flag).map((name) => quoted(`${path}:${name}`));
      return `  ${patterns.join(' | ')}) values=${quoted(flag.values.join(' '))} ;;`;
    });
}
