/**
 * `celeriac report`: what a bug report needs, without a worker: versions, the app, its settings and its tasks. It asks
 * the broker for its version, and does without if there is none.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { appSpec, type GlobalFlags, withApp } from '../connect.js';
import type { Output } from '../output.js';
import { versionsText } from './doctor.js';

interface ReportFlags extends GlobalFlags {
  readonly json?: boolean;
}

/** Adds `report` to the program. */
export function addReportCommand(program: Command): void {
  program
    .command('report')
    .description('versions, settings (secrets masked) and tasks, for a bug report; needs no worker')
    .option('--json', 'print it as JSON')
    .action((_flags, command: Command) => report(command.optsWithGlobals<ReportFlags>()));
}

async function report(flags: ReportFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const { versions, broker, reachable } = await app.doctor();
    const module = appSpec(flags);
    const tasks = app.worker().describe().tasks;
    const settings = settingsOf(app);
    if (flags.json) return out.json({ app: app.name, module, broker, reachable, versions, tasks, settings });
    out.line(versionsText(versions));
    const rows = [
      ['app', module === undefined ? app.name : `${app.name} (-A ${module})`],
      ['broker', reachable ? broker : `${broker} (it does not answer)`],
      ['tasks', tasks.join(', ') || 'none'],
    ] as const;
    for (const [label, text] of rows) out.entry(out.colors.dim(label.padEnd(LABEL_WIDTH)), LABEL_WIDTH, text);
    showSettings(settings, out);
  });
}

const LABEL_WIDTH = 8;

/** The options in force, where the app shows them. */
function settingsOf(app: Celeriac & { readonly conf?: object }): object {
  return app.conf ?? {};
}

function showSettings(settings: object, out: Output): void {
  out.line(out.colors.dim('settings'));
  const set = Object.entries(settings).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...set.map(([name]) => name.length)) + 4;
  for (const [name, value] of set)
    out.entry(`  ${out.colors.dim(name.padEnd(width - 2))}`, width, JSON.stringify(value));
}
