/** Completion for zsh, for `eval` and for a folder of `fpath`. Pure text. */
import { quoted } from './quoted.js';
import { type CompletedCommand, flagNames } from './words.js';

/** The script. */
export function zshCompletion(commands: readonly CompletedCommand[]): string {
  return `#compdef celeriac
# Completion of celeriac for zsh: eval "$(celeriac completion zsh)", or as _celeriac in a folder of fpath.
__celeriac_of() {
  subs=() flags=() valued=() values=()
  case $1 in
${commands.map(commandCase).join('\n')}
  *) return 1 ;;
  esac
}

__celeriac_values() {
  values=()
  case "$1:$2" in
${commands.flatMap(valueCases).join('\n')}
  esac
}

_celeriac() {
  local at= word flag= i
  local -a subs flags valued values
  __celeriac_of ''
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if [[ -n $flag ]]; then flag=; continue; fi
    if [[ $word == -* ]]; then
      if (( $valued[(Ie)$word] )); then flag=$word; fi
    elif [[ -n \${(M)subs:#$word:*} ]]; then
      at="\${at:+$at }$word"
      __celeriac_of "$at" || return 1
    fi
  done
  if [[ -n $flag ]]; then
    __celeriac_values "$at" "$flag"
    if (( $#values )); then compadd -a values; else _files; fi
  elif [[ $PREFIX == -* ]]; then
    _describe -o 'flag' flags
  elif (( $#subs )); then
    _describe 'command' subs
  elif (( $#values )); then
    compadd -a values
  else
    _files
  fi
}

if [[ $funcstack[1] == _celeriac ]]; then
  _celeriac "$@"
else
  compdef _celeriac celeriac
fi
`;
}

function commandCase({ path, commands, flags, values }: CompletedCommand): string {
  const list = (words: readonly string[]) => `(${words.map(quoted).join(' ')})`;
  const parts = [
    `subs=${list(commands.map(({ name, about }) => described(name, about)))}`,
    `flags=${list(flags.flatMap((flag) => flagNames(flag).map((name) => described(name, flag.about))))}`,
    `valued=${list(flags.filter(({ takesValue }) => takesValue).flatMap(flagNames))}`,
    `values=${list(values)}`,
  ];
  return `  ${quoted(path)})\n    ${parts.join('\n    ')} ;;`;
}

/** `_describe` splits at the first colon. */
function described(name: string, about: string): string {
  return `${name.replaceAll(':', '\\:')}:${about}`;
}

function valueCases({ path, flags }: CompletedCommand): string[] {
  return flags
    .filter(({ values }) => values.length > 0)
    .map((flag) => {
      const patterns = flagNames(flag).map((name) => quoted(`${path}:${name}`));
      return `  (${patterns.join('|')}) values=(${flag.values.map(quoted).join(' ')}) ;;`;
    });
}
