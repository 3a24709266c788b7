/**
 * What `inspect` and `control` share: whom to ask, how long to wait, and what the answers mean for the exit code.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../app.js';
import { isCeleriacError } from '../errors.js';
import { type GlobalFlags, withApp } from './connect.js';
import { EXIT } from './exit.js';
import { durationFlag, listFlag } from './flags.js';
import type { Output } from './output.js';

/** Flags of every command that asks workers. */
export interface BroadcastFlags extends GlobalFlags {
  readonly destination?: string[];
  readonly timeout?: number;
  readonly json?: boolean;
}

/** What the API takes for them. */
export interface BroadcastOptions {
  destination?: string[];
  timeout?: number;
}

/** One reply per node. */
export type Replies = Record<string, unknown>;

/** Adds `-d`, `--timeout` and `--json`. */
export function addBroadcastFlags(command: Command): Command {
  return command
    .option('-d, --destination <nodes>', 'only these nodes (comma, repeatable)', listFlag('-d'))
    .option(
      '--timeout <duration>',
      'how long to wait for silent nodes (default 1s)',
      durationFlag('--timeout'),
    )
    .option('--json', 'print the replies as one JSON document');
}

/** A question to the workers, and how the answers are shown to people. */
export interface Broadcast {
  ask(app: Celeriac, options: BroadcastOptions): Promise<Replies>;
  show(replies: Replies, out: Output): Promise<void> | void;
}

/** Asks, prints, and sets the exit code: 69 when nobody answered, 1 when a node answered with an error. */
export async function broadcast(flags: BroadcastFlags, { ask, show }: Broadcast): Promise<void> {
  const { takeStdout } = await import('./output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const { replies, remark } = await repliesOf(app, flags, ask);
    process.exitCode = exitCodeOfReplies(replies);
    if (flags.json) out.json(replies);
    else await show(replies, out);
    if (process.exitCode === EXIT.unavailable) out.note(`celeriac: ${remark ?? nobody(app, flags)}`);
  });
}

/** A name of `-d` that no worker has is an answer too, nobody's: not wrong usage, since workers come and go. */
export async function repliesOf(
  app: Celeriac,
  flags: BroadcastFlags,
  ask: Broadcast['ask'],
): Promise<{ replies: Replies; remark?: string }> {
  try {
    return { replies: await ask(app, optionsOf(flags)) };
  } catch (error) {
    if (!isCeleriacError(error, 'OPTION') || !NO_SUCH_NODE.test(error.message)) throw error;
    return { replies: {}, remark: error.message.replace(NO_SUCH_NODE, '-d: ') };
  }
}

/** How `app.control` and `app.inspect()` begin when they are asked for a node that is not there. */
const NO_SUCH_NODE = /^destination: (?=no worker is called)/;

/** The text of `{ error }` in a node's reply. */
export function errorOf(reply: unknown): string | undefined {
  if (typeof reply !== 'object' || reply === null || Array.isArray(reply)) return undefined;
  const { error } = reply as { error?: unknown };
  return typeof error === 'string' && Object.keys(reply).length === 1 ? error : undefined;
}

function optionsOf(flags: BroadcastFlags): BroadcastOptions {
  return {
    ...(flags.destination === undefined ? {} : { destination: flags.destination }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
  };
}

/** What a node that is there but says nothing is reported with (see `app.inspect`). */
const SILENT = 'no answer';

/** 69 when nobody answered, 1 when a node answered with an error. */
export function exitCodeOfReplies(replies: Replies): number {
  const errors = Object.values(replies).map(errorOf);
  if (errors.every((error) => error === SILENT)) return EXIT.unavailable;
  return errors.some((error) => error !== undefined) ? EXIT.failed : EXIT.ok;
}

function nobody(app: Celeriac, flags: BroadcastFlags): string {
  const where = flags.destination === undefined ? '' : ` of ${flags.destination.join(', ')}`;
  return (
    `no worker${where} of the app "${app.name}" answered. ` +
    'Is one running on the same broker and prefix? Start it with "celeriac -A <module> worker".'
  );
}
