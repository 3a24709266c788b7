/**
 * `celeriac web`: the page where people look, served until Ctrl-C. It is there for this machine alone unless a host is
 * given, and then only with a login.
 */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { OptionError } from '../../errors.js';
import { type GlobalFlags, withApp } from '../connect.js';
import { countFlag } from '../flags.js';

interface WebFlags extends GlobalFlags {
  readonly port: number;
  readonly host: string;
  readonly basePath: string;
  readonly readOnly?: boolean;
  readonly auth?: readonly string[];
  readonly authFile?: string;
  readonly history?: string;
}

/** Adds `web` to the program. */
export function addWebCommand(program: Command): void {
  program
    .command('web')
    .description('a page to watch tasks, workers and queues, and to act on them')
    .option('--port <port>', 'where it listens; 0 picks a free one', countFlag('--port', 0), 5555)
    .option('--host <host>', 'address it listens on; any but this machine needs --auth', '127.0.0.1')
    .option('--base-path <path>', 'path it is under, behind a proxy', '/')
    .option('--read-only', 'change nothing, and show no actions')
    .option('--auth <user:password>', 'let in who knows it; may be repeated [env CELERIAC_WEB_AUTH]', more)
    .option('--auth-file <file>', 'a file with lines of user:password')
    .option('--history <where>', 'listen all the time and keep the charts: "memory", or file:///…')
    .action((_flags, command: Command) => serve(command.optsWithGlobals<WebFlags>()));
}

function more(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

async function serve(flags: WebFlags): Promise<void> {
  const { BasicLogin } = await import('../../web/http/basic-login.js');
  const { readWebOptions } = await import('../../web/web-options.js');
  const { hostsFor, serveWeb } = await import('../web/serve.js');
  const pairs = await pairsOf(flags);
  const login = pairs.length === 0 ? undefined : new BasicLogin(pairs, '--auth');
  const hosts = hostsFor(flags.host, login !== undefined);
  const { basePath, readOnly = false, history } = flags;
  const settings = readWebOptions({ basePath, readOnly, ...(history !== undefined && { history }) });
  await withApp(flags, (app) =>
    serveWeb(app, settings, {
      port: flags.port,
      host: flags.host,
      ...(hosts !== undefined && { hosts }),
      ...(login !== undefined && { login }),
    }),
  );
}

/** Of the flags, else of the environment. */
async function pairsOf({ auth = [], authFile }: WebFlags): Promise<string[]> {
  const given = [...auth, ...(authFile === undefined ? [] : await linesOf(authFile))];
  if (given.length > 0 || authFile !== undefined) return given;
  return (process.env.CELERIAC_WEB_AUTH ?? '').split(',').filter((pair) => pair !== '');
}

async function linesOf(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new OptionError(`--auth-file: ${file} cannot be read: ${(error as Error).message}`);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw new OptionError(`--auth-file: ${file} has no line of user:password.`);
  return lines;
}
