/**
 * One process at a time in a folder. The lock is a numbered file that names its holder; the highest number counts.
 * A lock whose holder is dead is not deleted but outnumbered, which exactly one newcomer can do, so two processes that
 * find the same stale lock never both get in.
 */
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BrokerInUseError } from '../errors.js';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process began, as the system counts it: a number used again is another process. */
  readonly began: string;
}

const NAME = /^lock\.(\d+)$/;
const BEAT_MS = 5_000;
/** A holder on another machine (or container) cannot be asked; its lock counts while it is touched. */
const SILENT_AFTER_MS = 20_000;
/** A lock file that is empty is being written, unless its writer died at it. */
const UNWRITTEN_AFTER_MS = 2_000;

/**
 * Takes the folder; the returned function gives it back.
 * @throws {BrokerInUseError} naming the folder and who has it
 */
export function lockFolder(folder: string): () => void {
  for (;;) {
    const highest = numbersIn(folder).at(-1) ?? 0;
    if (highest > 0) refuseIfHeld(folder, highest);
    const mine = highest + 1;
    if (!claim(pathOf(folder, mine))) continue;
    const numbers = numbersIn(folder);
    // Somebody looked earlier and numbered higher: theirs counts.
    if (numbers.at(-1) !== mine) {
      rmSync(pathOf(folder, mine), { force: true });
      continue;
    }
    for (const older of numbers.slice(0, -1)) rmSync(pathOf(folder, older), { force: true });
    return keep(pathOf(folder, mine));
  }
}

function claim(path: string): boolean {
  const holder: Holder = { pid: process.pid, host: hostname(), began: beganOf(process.pid) ?? '' };
  try {
    writeFileSync(path, JSON.stringify(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function keep(path: string): () => void {
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // The folder was taken away under us; the database will say so better.
    }
  }, BEAT_MS).unref();
  return () => {
    clearInterval(beat);
    rmSync(path, { force: true });
  };
}

function refuseIfHeld(folder: string, number: number): void {
  const path = pathOf(folder, number);
  let silentMs: number;
  let text: string;
  try {
    silentMs = Date.now() - statSync(path).mtimeMs;
    text = readFileSync(path, 'utf8');
  } catch {
    return; // just given back
  }
  const holder = parse(text);
  if (holder === undefined ? silentMs > UNWRITTEN_AFTER_MS : !isAlive(holder, silentMs)) return;
  const who = holder === undefined ? 'another process' : holderText(holder);
  throw new BrokerInUseError(
    `The folder ${folder} is open in ${who}. An embedded broker serves one process at a time: ` +
      'stop that one, use another folder, or a Redis or PostgreSQL broker for several processes.',
  );
}

function holderText(holder: Holder): string {
  if (holder.host !== hostname()) return `process ${holder.pid} on ${holder.host}`;
  return holder.pid === process.pid ? `this process (pid ${holder.pid}) already` : `process ${holder.pid}`;
}

function isAlive(holder: Holder, silentMs: number): boolean {
  if (holder.host !== hostname()) return silentMs < SILENT_AFTER_MS;
  const began = beganOf(holder.pid);
  if (began !== undefined) return began === holder.began;
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** The start of a process in clock ticks since boot, where the system tells (Linux). */
function beganOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses itself: count from the last one.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function parse(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, host, began } = value as Record<string, unknown>;
    return { pid: Number(pid), host: String(host), began: String(began) };
  } catch {
    return undefined;
  }
}

function numbersIn(folder: string): number[] {
  return readdirSync(folder)
    .map((name) => Number(NAME.exec(name)?.[1] ?? 0))
    .filter((number) => number > 0)
    .sort((a, b) => a - b);
}

function pathOf(folder: string, number: number): string {
  return join(folder, `lock.${number}`);
}
