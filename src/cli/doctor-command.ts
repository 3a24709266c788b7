/**
 * `celeriac doctor`: what `app.doctor()` found, for people and for monitoring. Needs no code of yours.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../app.js';
import { type GlobalFlags, withApp } from './connect.js';
import { EXIT } from './exit.js';
import type { Output } from './output.js';

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
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing but warnings, 1 a problem, 69 the broker cannot be reached.',
    )
    .action((_flags, command: Command) => examine(command.optsWithGlobals<DoctorFlags>()));
}

async function examine(flags: DoctorFlags): Promise<void> {
  const { takeStdout } = await import('./output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const diagnosis = await app.doctor();
    if (flags.json) out.json(diagnosis);
    else show(app.name, diagnosis, out);
    process.exitCode = exitCodeOf(diagnosis);
  });
}

function show(app: string, { broker, findings }: Diagnosis, out: Output): void {
  const { colors } = out;
  const marks = { ok: colors.green('ok'), warning: colors.yellow('warning'), problem: colors.red('problem') };
  out.line(`${colors.bold(app)} at ${broker}\n`);
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, severity, found, advice } of findings) {
    const gap = ' '.repeat('problem'.length - severity.length);
    out.line(`${marks[severity]}${gap}  ${check.padEnd(width)}  ${found}`);
    if (advice !== undefined) out.line(`${' '.repeat(width + 11)}${colors.dim(advice)}`);
  }
  const count = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  out.line(`\n${plural(count('problem'), 'problem')}, ${plural(count('warning'), 'warning')}.`);
}

function plural(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count === 0 ? 'no' : count} ${what}s`;
}

function exitCodeOf({ healthy, reachable }: Diagnosis): number {
  if (!reachable) return EXIT.unavailable;
  return healthy ? EXIT.ok : EXIT.failed;
}
