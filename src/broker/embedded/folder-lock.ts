/**
 * Lets one process at a time use a folder. The lock is a numbered file that names its holder; the highest number wins. A
 * process does not delete the lock of a dead holder but creates the next number, which only one process can do, so two
 * processes that find the same stale lock never both get in. A file that is not our lock must never be removed.
 */
import {
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BrokerInUseError } from '../../errors.js';
import { sleep } from '../../timers.js';

/** The process that holds a lock. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process started, as the system counts it: distinguishes a reused process number. */
  readonly began: string;
  /** The scope of `pid`: the running kernel and the pid namespace. Empty where the system does not report them. */
  readonly space: string;
}

const NAME = /^lock\.(\d+)$/;
const BEAT_MS = 5_000;
/** Silence after which a holder on another machine or in another container counts as dead, ms. */
const SILENT_AFTER_MS = 20_000;
const LOOK_EVERY_MS = 250;
/** Age after which an empty lock file counts as stale, ms. A younger one is still being written. */
const UNWRITTEN_AFTER_MS = 2_000;

/**
 * Locks the folder; the returned function releases it. A holder that cannot be checked from here is watched until it
 * touches its lock or has been silent for 20 seconds.
 * @throws {BrokerInUseError} naming the folder and its holder
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const text = JSON.stringify(ourselves());
  for (;;) {
    const highest = numbersIn(folder).at(-1) ?? 0;
    if (highest > 0) await refuseIfHeld(folder, highest);
    const mine = highest + 1;
    if (!claim(pathOf(folder, mine), text)) continue;
    const numbers = numbersIn(folder);
    // Another process claimed a higher number; it wins.
    if (numbers.at(-1) !== mine) {
      removeOwn(pathOf(folder, mine), text);
      continue;
    }
    for (const older of numbers.slice(0, -1)) removeStale(pathOf(folder, older));
    return keep(pathOf(folder, mine), text);
  }
}

function claim(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes our lock only: if it was taken from us meanwhile, another process may use the same number. */
function removeOwn(path: string, text: string): void {
  if (readText(path) === text) rmSync(path, { force: true });
}

function removeStale(path: string): void {
  const text = readText(path);
  if (text !== undefined && parse(text) !== undefined) rmSync(path, { force: true });
}

function keep(path: string, text: string): () => void {
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // The folder was removed; the database will report it better.
    }
  }, BEAT_MS).unref();
  return () => {
    clearInterval(beat);
    removeOwn(path, text);
  };
}

async function refuseIfHeld(folder: string, number: number): Promise<void> {
  const path = pathOf(folder, number);
  let seenAt: number | undefined;
  for (;;) {
    const text = readText(path);
    const touchedAt = text === undefined ? undefined : touchedAtOf(path);
    if (text === undefined || touchedAt === undefined) return; // just released
    seenAt ??= touchedAt;
    const silentMs = Date.now() - touchedAt;
    const holder = parse(text);
    const life = holder === undefined ? unwritten(silentMs) : lifeOf(holder, silentMs);
    if (life === 'dead') return;
    if (life === 'alive' || touchedAt !== seenAt) throw inUse(folder, holder);
    await sleep(LOOK_EVERY_MS);
  }
}

function inUse(folder: string, holder: Holder | undefined): BrokerInUseError {
  const who = holder === undefined ? 'another process' : holderText(holder);
  return new BrokerInUseError(
    `The folder ${folder} is open in ${who}. An embedded broker serves one process at a time: ` +
      'stop that one, use another folder, or a Redis or PostgreSQL broker for several processes.',
  );
}

function holderText(holder: Holder): string {
  const { pid, host, space } = holder;
  if (host !== hostname()) return `process ${pid} on ${host}`;
  if (!isOurSpace(space)) return `process ${pid} of another container or machine named ${host}`;
  return pid === process.pid ? `this process (pid ${pid}) already` : `process ${pid}`;
}

type Life = 'alive' | 'dead' | 'unknown';

function unwritten(silentMs: number): Life {
  return silentMs > UNWRITTEN_AFTER_MS ? 'dead' : 'alive';
}

/** Whether a holder is alive, as far as this process can know; exported for its test. */
export function lifeOf(holder: Holder, silentMs: number): Life {
  // A process number means nothing on another machine, or in another container of the same host name.
  if (holder.host !== hostname() || !isOurSpace(holder.space))
    return silentMs < SILENT_AFTER_MS ? 'unknown' : 'dead';
  const began = beganOf(holder.pid);
  if (began !== undefined) return began === holder.began ? 'alive' : 'dead';
  try {
    process.kill(holder.pid, 0);
    return 'alive';
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM' ? 'alive' : 'dead';
  }
}

/** This process as the holder of a lock. */
export function ourselves(): Holder {
  return { pid: process.pid, host: hostname(), began: beganOf(process.pid) ?? '', space: spaceOf() };
}

function isOurSpace(space: string): boolean {
  return space === spaceOf();
}

/** The start of a process in clock ticks since boot; `undefined` where the system does not report it (not Linux). */
function beganOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  // The name in parentheses may contain spaces and parentheses: count from the last parenthesis.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** The running kernel and the pid namespace (Linux), since two containers may share host name, folder and numbers. */
function spaceOf(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

function parse(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, host, began, space } = value as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof host !== 'string') return undefined;
    return { pid, host, began: String(began ?? ''), space: String(space ?? '') };
  } catch {
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function touchedAtOf(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs;
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
