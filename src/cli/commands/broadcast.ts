/**
 * Shared code of `inspect` and `control`: flags for the destination and the timeout, and the exit code of the replies.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { isCeleriacError } from '../../errors.js';
import { type GlobalFlags, withApp } from '../connect.js';
import { EXIT } from '../exit.js';
import { durationFlag, listFlag } from '../flags.js';
import type { Output } from '../output.js';

/** Flags of every command that asks workers. */
export interface BroadcastFlags extends GlobalFlags {
  readonly destination?: string[];
  readonly timeout?: number;
  readonly json?: boolean;
}

/** The options of the API for these flags. */
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

/** A command to the workers, and how its replies are shown to people. */
export interface Broadcast {
  ask(app: Celeriac, options: BroadcastOptions): Promise<Replies>;
  show(replies: Replies, out: Output): Promise<void> | void;
  /** Replies in place of the workers' when no worker answers, and where they are from. */
  instead?(app: Celeriac, flags: BroadcastFlags): { replies: Replies; from: string } | undefined;
}

/**
 * Asks the workers, prints the replies, and sets the exit code: 69 if no worker answered, 1 if a node answered with an
 * error.
 */
export async function broadcast(flags: BroadcastFlags, { ask, show, instead }: Broadcast): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const other = instead?.(app, flags);
    const { replies, remark } = await repliesOf(app, flags, ask).catch((error: unknown) => {
      if (other === undefined || !isCeleriacError(error, 'BROKER_UNAVAILABLE')) throw error;
      return { replies: {}, remark: undefined };
    });
    if (other !== undefined && Object.keys(replies).length === 0) {
      if (flags.json) out.json(other.replies);
      else await show(other.replies, out);
      return out.note(`celeriac: no worker answered: this is from ${other.from}.`);
    }
    const code = exitCodeOfReplies(replies);
    process.exitCode = remark !== undefined && code === EXIT.ok ? EXIT.failed : code;
    if (flags.json) out.json(replies);
    else await show(replies, out);
    if (remark !== undefined) out.note(`celeriac: ${remark}`);
    else if (code === EXIT.unavailable) out.note(`celeriac: ${nobody(app, flags)}`);
  });
}

/**
 * The replies, and a warning about names of `-d` that no worker has. Workers come and go, so that is not wrong usage.
 */
export async function repliesOf(
  app: Celeriac,
  flags: BroadcastFlags,
  ask: Broadcast['ask'],
): Promise<{ replies: Replies; remark?: string }> {
  const replies = await ask(app, optionsOf(flags));
  const missing = flags.destination?.find((name) => !Object.hasOwn(replies, name));
  if (missing === undefined) return { replies };
  const { nearest } = await import('../../options/names.js');
  const nodes = Object.keys(await app.inspect().ping());
  const near = nearest(missing, nodes);
  const hint =
    near === undefined ? `Workers: ${nodes.sort().join(', ') || 'none'}.` : `Did you mean "${near}"?`;
  return { replies, remark: `-d: no worker is called "${missing}". ${hint}` };
}

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

/** The error reported for a live node that does not answer (see `app.inspect`). */
const SILENT = 'no answer';

/** The replies within a node's reply: the reply itself, or one per queue if several were named. */
export function partsOf(reply: unknown): unknown[] {
  if (typeof reply !== 'object' || reply === null || Array.isArray(reply)) return [reply];
  const parts = Object.values(reply);
  const areReplies = parts.length > 0 && parts.every((part) => typeof part === 'object' && part !== null);
  return areReplies && parts.every((part) => 'ok' in part || errorOf(part) !== undefined) ? parts : [reply];
}

/** 69 if no worker answered, 1 if a node answered with an error. */
export function exitCodeOfReplies(replies: Replies): number {
  const errors = Object.values(replies).flatMap(partsOf).map(errorOf);
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
