/**
 * What a process and its descendants have used, read from Linux's /proc: for programs that cannot be asked.
 * Elsewhere the figures are `undefined` and the table shows a dash.
 */
import { readdir, readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import type { Reading } from '../subjects/subject.js';

/** Linux: USER_HZ, the unit of times in /proc/PID/stat, is 100 on every platform Node runs on. */
const TICK_MS = 10;

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Its own and that of children it has already waited for. */
  readonly cpuMs: number;
}

export async function treeUsage(root: number): Promise<Reading> {
  const atMs = performance.now();
  const tree = descendants(root, await readProcesses());
  if (tree.length === 0) return { atMs, cpuMs: undefined, peakRssBytes: undefined };
  const peaks = await Promise.all(tree.map((stat) => peakRss(stat.pid)));
  return { atMs, cpuMs: sum(tree.map((stat) => stat.cpuMs)), peakRssBytes: sum(peaks) };
}

function descendants(root: number, all: readonly ProcessStat[]): ProcessStat[] {
  const self = all.filter((stat) => stat.pid === root);
  const children = all.filter((stat) => stat.parent === root);
  return [...self, ...children.flatMap((child) => descendants(child.pid, all))];
}

async function readProcesses(): Promise<ProcessStat[]> {
  const names = await readdir('/proc').catch(() => []);
  const stats = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(readStat));
  return stats.filter((stat) => stat !== undefined);
}

async function readStat(pid: string): Promise<ProcessStat | undefined> {
  // A process may end between the listing and the reading.
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The command name, in parentheses, may contain spaces; the fields after it start with number 3, the state.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const numberAt = (field: number): number => Number(fields[field - 3]);
  const ticks = numberAt(14) + numberAt(15) + numberAt(16) + numberAt(17);
  return { pid: Number(pid), parent: numberAt(4), cpuMs: ticks * TICK_MS };
}

async function peakRss(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(text)?.[1] ?? '0';
  return Number(kilobytes) * 1_024;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
