/**
 * `celeriac outbox`: relays the calls of committed transactions; `outbox list` and `outbox retry` concern those that
 * could not be sent. Each is a method of `app.outbox`. They need no code of yours.
 */
import type { Command } from 'commander';
import { type GlobalFlags, withApp } from '../connect.js';
import { EXIT } from '../exit.js';
import { countFlag } from '../flags.js';
import { momentText } from '../text/human.js';

interface OutboxFlags extends GlobalFlags {
  readonly limit?: number;
  readonly json?: boolean;
}

/** Adds `outbox` to the program. */
export function addOutboxCommands(program: Command): void {
  const outbox = program
    .command('outbox')
    .description('relay calls of committed transactions to the broker, until Ctrl-C; workers do so as well')
    .action((_flags, command: Command) => relay(command.optsWithGlobals<OutboxFlags>()));
  outbox
    .command('list')
    .description('calls that could not be sent and were set aside, oldest first')
    .option('--limit <n>', 'how many (default 50)', countFlag('--limit'))
    .option('--json', 'print them as JSON')
    .action((_flags, command: Command) => list(command.optsWithGlobals<OutboxFlags>()));
  outbox
    .command('retry')
    .description('relay calls that were set aside again: all, or those of these rows or tasks')
    .argument('[id...]', 'numbers of rows, or ids of tasks')
    .option('--json', 'print the numbers of the rows as JSON')
    .action((ids: string[], _flags, command: Command) => retry(ids, command.optsWithGlobals<OutboxFlags>()));
}

async function relay(flags: OutboxFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  const ended = new Promise<void>((resolve) => {
    // Once: a second Ctrl-C ends the process as usual.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await withApp({ loglevel: 'warn', ...flags }, async (app) => {
    const running = await app.outbox.relay();
    out.line(`Relaying the outbox of "${app.name}".`);
    await ended;
    await running.stop();
  });
}

async function list(flags: OutboxFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const entries = await app.outbox.setAside(flags.limit === undefined ? {} : { limit: flags.limit });
    if (flags.json) return out.json(entries);
    if (entries.length === 0) return out.note('celeriac: no call of the outbox was set aside.');
    const columns = [
      { title: 'row', keep: true },
      { title: 'task', name: true },
      { title: 'id', keep: true },
      { title: 'set aside', keep: true },
      { title: 'why', below: true },
    ];
    const rows = entries.map(({ id, tasks: [first, ...others], setAsideAt, reason }) => [
      id,
      first === undefined
        ? '?'
        : others.length === 0
          ? first.name
          : `${first.name} and ${others.length} more`,
      first?.id ?? '?',
      momentText(setAsideAt, Number.isFinite(out.columns)),
      reason,
    ]);
    out.table(columns, rows);
  });
}

async function retry(ids: readonly string[], flags: OutboxFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const rows = await app.outbox.retry(ids.length === 0 ? undefined : ids);
    if (flags.json) out.json(rows);
    else for (const id of rows) out.line(`${id}: is relayed again`);
    if (rows.length > 0) return;
    out.note('celeriac: no call that was set aside matches.');
    // A misspelt id must not look like success.
    if (ids.length > 0) process.exitCode = EXIT.failed;
  });
}
