/**
 * `celeriac control revoke`: unlike the other commands it also works without a worker, since a revocation is stored
 * with the task. So it prints the state of each task, and fails only for unknown tasks.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { OptionError } from '../../errors.js';
import { READY } from '../../states.js';
import { withApp } from '../connect.js';
import { EXIT } from '../exit.js';
import type { Output } from '../output.js';
import { type BroadcastFlags, exitCodeOfReplies, type Replies, repliesOf } from './broadcast.js';

interface RevokeFlags extends BroadcastFlags {
  readonly tag?: string;
  readonly terminate?: boolean;
  readonly reason?: string;
}

type Snapshot = Awaited<ReturnType<ReturnType<Celeriac['result']>['snapshot']>>;

/** Gives `control revoke` its flags and its action. */
export function addRevokeCommand(command: Command): void {
  command
    .argument('[id...]', 'their ids')
    .option('--tag <tag>', 'in place of ids: all with this tag that have not ended')
    .option('--terminate', 'end those that run, too')
    .option('--reason <text>', 'why: shown to who waits for the result')
    .action((ids: string[], _flags, self: Command) => revoke(ids, self.optsWithGlobals<RevokeFlags>()));
}

async function revoke(ids: readonly string[], flags: RevokeFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  const { terminate = false, reason, tag } = flags;
  if ((ids.length === 0) === (tag === undefined))
    throw new OptionError('control revoke: which? Give ids, or --tag.');
  await withApp(flags, async (app) => {
    const { replies, remark } = await repliesOf(app, flags, (api, options) =>
      api.control.revoke(tag === undefined ? ids : { tag }, {
        ...options,
        terminate,
        ...(reason === undefined ? {} : { reason }),
      }),
    );
    const tasks = await Promise.all([...new Set(ids)].map((id) => stateAfter(app, id, terminate)));
    if (flags.json) out.json(replies);
    else if (tag !== undefined) out.line(`all with the tag ${tag} that had not ended: revoked`);
    else for (const task of tasks) if (task.known) out.line(`${task.id}: ${became(task, terminate, out)}`);
    for (const { id } of tasks.filter(({ known }) => !known)) {
      out.note(`celeriac: no task "${id}" is known: never sent, or no longer kept.`);
    }
    if (remark !== undefined) out.note(`celeriac: ${remark}`);
    process.exitCode = exitCodeFor(replies, tasks, { terminate, unheard: remark !== undefined });
  });
}

/** A worker writes the end of a terminated task a moment later, so this waits for it. */
async function stateAfter(app: Celeriac, id: string, terminate: boolean): Promise<Snapshot> {
  const handle = app.result(id);
  const now = await handle.snapshot();
  if (!terminate || !now.known || READY.has(now.state)) return now;
  await handle.get({ timeout: WRITTEN_WITHIN_MS, propagate: false }).catch(() => {
    // It has not ended: the snapshot shows its state.
  });
  return handle.snapshot();
}

const WRITTEN_WITHIN_MS = 3000;

function became({ state }: Snapshot, terminate: boolean, { colors }: Output): string {
  if (state === 'REVOKED') return colors.red(state);
  if (READY.has(state)) return `${state}, it had ended before`;
  return `${state}, ${terminate ? 'no worker has ended it yet' : 'it runs on; --terminate would end it'}`;
}

/** Workers matter only with `--terminate`: then a silent fleet fails the command, an empty one does not. */
function exitCodeFor(
  replies: Replies,
  tasks: readonly Snapshot[],
  { terminate, unheard }: { terminate: boolean; unheard: boolean },
): number {
  if (unheard) return EXIT.unavailable;
  if (tasks.some(({ known }) => !known)) return EXIT.failed;
  return terminate && Object.keys(replies).length > 0 ? exitCodeOfReplies(replies) : EXIT.ok;
}
