/**
 * Explains to people why a module could not be loaded: the place in their code, the error, and the line itself if a
 * compiler shows it. Compilers report this in very different ways, some with their own stack.
 */
import { spawnSync } from 'node:child_process';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';

/** The module that was to be loaded. */
export interface FailedModule {
  /** Absolute. */
  readonly file: string;
  /** What messages call it. */
  readonly shown: string;
  /** Paths in messages are relative to this folder. */
  readonly folder: string;
}

/** `src/tasks.ts:3:1: src/tasks.ts could not be loaded: SyntaxError: …`, and below it the lines of code. */
export function loadFailureText(error: unknown, { file, shown, folder }: FailedModule): string {
  if (!(error instanceof Error))
    return `${shown} could not be loaded: it threw ${inspect(error, { breakLength: 120 })}.`;
  const {
    message,
    place = placeInStack(error),
    frame = [],
  } = readCompiler(error) ?? readNode(error) ?? checked(error, file) ?? { message: error.message };
  const where = place === undefined ? '' : `${readablePlace(place, folder)}: `;
  const text = `${where}${shown} could not be loaded: ${nameOf(error)}${sentence(message)}${hintFor(message, frame)}`;
  return [text, ...frame].join('\n');
}

interface Read {
  readonly message: string;
  readonly place?: string | undefined;
  /** The code around it. */
  readonly frame?: readonly string[];
}

/** SWC puts the lines of code below its message, and its own stack below them. */
function readCompiler({ message }: Error): Read | undefined {
  const [, what, place, picture] =
    /^\s*[x×]\s+([\s\S]*?)\n\s*[,╭]-+\[(.+?:\d+:\d+)\][^\n]*\n([\s\S]*?)\n\s*[`╰]-/.exec(message) ?? [];
  if (what === undefined || picture === undefined) return undefined;
  const frame = picture.split('\n').map((line) => `  ${line.replace(/^(\s*)[:·]/, '$1|')}`);
  return { message: `syntax error: ${what}`, place, frame };
}

/** Node puts place, line and caret in front of the stack of an error that its own parser found. */
function readNode({ message, stack = '' }: Error): Read | undefined {
  const [, place, line, caret] = /^((?:file:\/\/)?\/?[^\n]+:\d+)\n([^\n]*)\n(\s*\^+)\s*\n/.exec(stack) ?? [];
  if (place === undefined || /^\s*at /.test(place)) return undefined;
  return { message, place, frame: [`  ${line}`, `  ${caret}`] };
}

/** For an ES module that cannot be parsed, Node prints the place only to a terminal: a second Node is asked for it. */
function checked(error: Error, file: string): Read | undefined {
  if (!(error instanceof SyntaxError) || placeInStack(error) !== undefined) return undefined;
  const { status, stderr } = spawnSync(process.execPath, ['--check', file], {
    encoding: 'utf8',
    env: {},
    timeout: 5000,
  });
  if (status === 0) return { message: `${error.message}, in a module that it imports` };
  return readNode(Object.assign(new SyntaxError(error.message), { stack: String(stderr) }));
}

/** The first frame in the user's code. */
function placeInStack({ stack = '', message }: Error): string | undefined {
  const frames = stack.slice(stack.indexOf(message) + message.length).split('\n');
  for (const frame of frames) {
    const [, place] = /(?:^at (?:async )?|\()((?:file:\/\/)?\/[^()]+:\d+:\d+)\)?$/.exec(frame.trim()) ?? [];
    if (place !== undefined && !/node_modules/.test(place) && !place.includes(OWN)) return place;
  }
  return undefined;
}

const OWN = fileURLToPath(new URL('../..', import.meta.url));

function readablePlace(place: string, folder: string): string {
  const [, path = place, position = ''] = /^(.+?)((?::\d+){1,2})$/.exec(place) ?? [];
  const file = path.startsWith('file:') ? fileURLToPath(path) : path;
  const near = relative(folder, file);
  return `${near.startsWith('..') ? file : near}${position}`;
}

/** The error's name, or none if the message is enough. */
function nameOf(error: Error): string {
  const missing = 'code' in error && /MODULE_NOT_FOUND$/.test(String(error.code));
  return missing || error.message.includes('Syntax Error') ? '' : `${error.name}: `;
}

function sentence(message: string): string {
  const text = message.replace(/\s*\n\s*/g, ' ').trim() || 'an error without a message';
  return `${text}${/[.!?]$/.test(text) ? '' : '.'}`;
}

function hintFor(message: string, frame: readonly string[]): string {
  if (/top.level (bodies of modules|await)|Cannot use 'import\.meta'/.test(message))
    return ' This file counts as CommonJS: put "type": "module" into package.json, or call it .mts.';
  if (/^Invalid or unexpected token/.test(message) && DECORATOR.test(frame[0] ?? ''))
    return " Node's JavaScript has no decorators: write app.task('name', async () => …), or make the file TypeScript.";
  return '';
}

const DECORATOR = /(^|[\s{};])@[A-Za-z_$]/;
