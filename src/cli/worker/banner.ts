/**
 * The banner of a worker that starts: its name, its broker and queues, and its tasks. Pure text.
 */
import pc from 'picocolors';
import { printable } from '../text/printable.js';
import { widthOf } from '../text/width.js';

/** The content of the banner. */
export interface BannerFacts {
  readonly version: string;
  readonly app: string;
  readonly node: string;
  readonly pid: number;
  readonly runtime: string;
  /** A URL; its password is hidden here. */
  readonly broker: string;
  readonly queues: readonly string[];
  readonly concurrency: number;
  /** The range of its slots. */
  readonly autoscale?: { readonly max: number; readonly min: number } | undefined;
  readonly processes?: number;
  readonly pool: string;
  readonly tasks: readonly string[];
}

/** A celeriac: leaves, knob, roots. Lines of one width. */
const KNOB = [
  String.raw`   \|/    `,
  String.raw`  \\|//   `,
  '  .-"-.   ',
  String.raw` / . : \  `,
  '(  :  . ) ',
  String.raw` \_:_._/  `,
  String.raw`  /)|(\   `,
];
const LEAVES = 2;
const WIDTH = 78;

/** The banner, ending in an empty line. */
export function renderBanner(given: BannerFacts, color: boolean): string {
  const facts = shown(given);
  const colors = pc.createColors(color);
  const label = (name: string): string => colors.dim(name.padEnd(13));
  const lines = [
    colors.bold(colors.green(facts.node)),
    colors.dim(`celeriac ${facts.version} · ${facts.runtime} · pid ${facts.pid}`),
    '',
    label('app') + facts.app,
    label('broker') + hidePassword(facts.broker),
    ...wrap(facts.queues, WIDTH - 25).map((line, index) => label(index === 0 ? 'queues' : '') + line),
    `${label('concurrency')}${concurrencyText(facts)} (${facts.pool})`,
  ];
  const art = Array.from({ length: Math.max(lines.length, KNOB.length) }, (_, index) => {
    const part = KNOB[index] ?? ' '.repeat(KNOB[0]?.length ?? 0);
    return index < LEAVES ? colors.green(part) : colors.yellow(part);
  });
  const head = art.map((part, index) => ` ${part}  ${lines[index] ?? ''}`.trimEnd());
  return ['', ...head, '', ` ${colors.dim('tasks')}`, ...taskLines(facts.tasks, colors), '', ''].join('\n');
}

/** Removes control characters: names of queues and tasks may come from a foreign file or variable. */
function shown(facts: BannerFacts): BannerFacts {
  return {
    ...facts,
    app: printable(facts.app),
    node: printable(facts.node),
    broker: printable(facts.broker),
    queues: facts.queues.map(printable),
    tasks: facts.tasks.map(printable),
  };
}

/** `4`, or `2 to 8` with autoscale; `3 × 4` in three processes. */
export function concurrencyText({
  concurrency,
  autoscale,
  processes,
}: Pick<BannerFacts, 'concurrency' | 'autoscale' | 'processes'>): string {
  const each = autoscale === undefined ? String(concurrency) : `${autoscale.min} to ${autoscale.max}`;
  return processes === undefined ? each : `${processes} × ${each}`;
}

function taskLines(tasks: readonly string[], colors: ReturnType<typeof pc.createColors>): string[] {
  if (tasks.length === 0) return [colors.yellow('   none: does the module of -A import your services?')];
  return [...tasks].sort().map((name) => `   ${colors.dim('·')} ${name}`);
}

/** The same URL with `***` for its password. Text that is no URL stays as it is. */
export function hidePassword(url: string): string {
  return url.replace(/^([a-z+]+:\/\/[^/?#]*?:)[^/?#]*(@)/i, '$1***$2');
}

function wrap(names: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && widthOf(last) + widthOf(name) + 2 <= width)
      lines[lines.length - 1] = `${last}, ${name}`;
    else lines.push(name);
  }
  return lines.length === 0 ? ['none'] : lines;
}
