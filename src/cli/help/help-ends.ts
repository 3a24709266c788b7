/**
 * The end of each command's help: examples, and the environment variables that it reads. Text only.
 */
import type { Command } from 'commander';
import { EXAMPLES } from './examples.js';

/** The variables that a command may read, and what they stand for. */
const VARIABLES = {
  CELERIAC_APP: 'the app, in place of -A',
  CELERIAC_BROKER_URL: 'the broker, if neither the code nor -b names one',
  CELERIAC_PREFIX: 'the prefix, if neither the code nor --prefix names one',
  CELERIAC_OUTBOX_URL: 'the database of the outbox, if the code names none',
  CELERIAC_WEB_AUTH: 'user:password, in place of --auth',
  CELERIAC_SHELL_HISTORY: 'the file of its history (default ~/.celeriac_history)',
  NO_COLOR: 'plain text, as with --no-color',
} as const;

type Variable = keyof typeof VARIABLES;

/** Read by every command that opens an app. */
const OF_THE_APP: readonly Variable[] = ['CELERIAC_APP', 'CELERIAC_BROKER_URL', 'CELERIAC_PREFIX'];
/** Read by these commands, and those below them, as well. */
const MORE: ReadonlyMap<string, readonly Variable[]> = new Map<string, readonly Variable[]>([
  ['worker', ['CELERIAC_OUTBOX_URL']],
  ['outbox', ['CELERIAC_OUTBOX_URL']],
  ['doctor', ['CELERIAC_OUTBOX_URL']],
  ['report', ['CELERIAC_OUTBOX_URL']],
  ['migrate', ['CELERIAC_OUTBOX_URL']],
  ['web', ['CELERIAC_WEB_AUTH']],
  ['shell', ['CELERIAC_SHELL_HISTORY']],
]);
/** Commands that open no app. */
const WITHOUT_APP: ReadonlySet<string> = new Set(['completion']);

/** Adds them to a program and all its commands. */
export function addHelpEnds(command: Command, path: readonly string[] = []): void {
  const examples = EXAMPLES.get(path.join(' ')) ?? [];
  command.addHelpText('after', `${examplesText(examples)}\n${environmentText(path[0])}`);
  for (const inner of command.commands) addHelpEnds(inner, [...path, inner.name()]);
}

function examplesText(examples: readonly string[]): string {
  return examples.length === 0
    ? ''
    : ['', 'Examples:', ...examples.map((line) => `  ${line}`), ''].join('\n');
}

function environmentText(name: string | undefined): string {
  const own = name === undefined ? [] : (MORE.get(name) ?? []);
  const read: readonly Variable[] = [
    ...(name !== undefined && WITHOUT_APP.has(name) ? [] : OF_THE_APP),
    ...own,
    'NO_COLOR',
  ];
  const width = Math.max(...read.map((variable) => variable.length));
  const lines = read.map((variable) => `  ${variable.padEnd(width)}  ${VARIABLES[variable]}`);
  return ['Environment:', ...lines].join('\n');
}
