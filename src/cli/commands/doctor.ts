/**
 * `celeriac doctor`: the findings of `app.doctor()`, for people and for monitoring. Needs no code of yours.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { type GlobalFlags, withApp } from '../connect.js';
import { EXIT } from '../exit.js';
import type { Output } from '../output.js';

interface DoctorFlags extends GlobalFlags {
  readonly json?: boolean;
}

type Diagnosis = Awaited<ReturnType<Celeriac['doctor']>>;

/** Adds `doctor` to the program. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look over broker, clocks, workers and queues: what is wrong, and what to do about it')
    .option('--json', 'print what was found as JSON')
    .addHelpText('after', '\nExit codes: 0 no problem, 1 a problem, 69 the broker cannot be reached.')
    .action((_flags, command: Command) => examine(command.optsWithGlobals<DoctorFlags>()));
}

async function examine(flags: DoctorFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const diagnosis = await app.doctor();
    if (flags.json) out.json(diagnosis);
    else show(app.name, diagnosis, out);
    process.exitCode = exitCodeOf(diagnosis);
  });
}

function show(app: string, { broker, versions, findings }: Diagnosis, out: Output): void {
  const { colors } = out;
  const marks = { ok: colors.green('ok'), warning: colors.yellow('warning'), problem: colors.red('problem') };
  out.entry('', 0, versionsText(versions));
  out.line(`${colors.bold(app)} at ${broker}`);
  out.line();
  const width = Math.max(...findings.map(({ check }) => check.length));
  const left = 'problem'.length + 2 + width + 2;
  for (const { check, severity, found, advice } of findings) {
    const gap = ' '.repeat('problem'.length - severity.length);
    out.entry(`${marks[severity]}${gap}  ${check.padEnd(width)}  `, left, found);
    if (advice !== undefined) out.entry(' '.repeat(left), left, advice);
  }
  const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  out.line();
  out.line(`${plural(count('problem'), 'problem')}, ${plural(count('warning'), 'warning')}.`);
}

/** The versions that a bug report needs, on one line. */
export function versionsText({ celeriac, bullmq, node, broker, os }: Diagnosis['versions']): string {
  const parts = [`celeriac ${celeriac}`, `BullMQ ${bullmq}`, `Node ${node}`, broker ?? 'broker unknown', os];
  return parts.join(', ');
}

function plural(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count === 0 ? 'no' : count} ${what}s`;
}

function exitCodeOf({ healthy, reachable }: Diagnosis): number {
  if (!reachable) return EXIT.unavailable;
  return healthy ? EXIT.ok : EXIT.failed;
}
