/**
 * A schedule's entry: what is stored, and every change it can go through, as pure functions. Entries are set by a call
 * (`app.schedules.upsert`) or declared in code. Several deploys may declare one name differently at the same time: of
 * those alive the one that came last counts, so that they never fight; when all are gone, so is the entry.
 */
import type { CallOptions } from '../options/call-options.js';
import type { UniqueOptions } from '../options/limits.js';
import type { Schedule } from '../options/schedules.js';
import type { PublishPolicy } from '../options/task-options.js';
import { lastTick, nextTick, type Timing } from './schedule.js';

/** Call options that make sense every time. */
export type ScheduleOptions = Omit<CallOptions, 'taskId' | 'eta' | 'link' | 'linkError'>;

/** What runs, when and how, as it is stored. */
export interface Spec {
  readonly task: string;
  /** Encoded, as they travel. */
  readonly args: unknown;
  readonly options: ScheduleOptions;
  readonly schedule: Schedule;
  /** For crontabs that name no zone: the app's. */
  readonly timezone: string;
  /** What callers know of the task, for those who tick it without having its code. */
  readonly publish: StoredPublish;
  /** Where it would have been sent by whoever set it. */
  readonly place: string;
}

/** A {@link PublishPolicy} with the unique key worked out: arguments stay the same. */
export interface StoredPublish extends Omit<PublishPolicy, 'unique'> {
  readonly unique: { key?: string; ttlMs?: number; mode: UniqueOptions['mode'] } | undefined;
}

/** A tick that was claimed, and may not have been sent yet. */
export interface PendingTick {
  /** The moment it was due, epoch ms. */
  readonly at: number;
  readonly taskId: string;
  readonly claimedAt: number;
}

/** What a set of declarations says, and since when that set is known. */
interface Declared {
  readonly since: number;
  readonly spec: Spec;
}

export interface StoredEntry {
  /** In force. */
  readonly spec: Spec;
  /** By set; absent where a call set it. */
  readonly declared?: Readonly<Record<string, Declared>>;
  /** Declared by nobody alive since then. */
  readonly abandonedAt?: number;
  readonly anchorAt: number;
  /** `null` when paused, or when there is no next one. */
  readonly nextAt: number | null;
  readonly lastAt?: number;
  readonly paused: boolean;
  readonly pending?: PendingTick;
}

/** A worker that was there when a tick was due makes up for one as late as this; it counts as missed otherwise. */
const LATE_MS = 5_000;
/** A restart within this time finds its entries as they were: paused, and when they last ran. */
const KEPT_MS = 7 * 86_400_000;
/** Sets remembered beside the one in force. */
const MOST_SETS = 8;

/** An entry set by a call. */
export function setEntry(old: StoredEntry | undefined, spec: Spec, now: number): StoredEntry | undefined {
  if (old === undefined) return fresh(spec, now);
  const { declared, abandonedAt: _, ...kept } = old;
  if (declared === undefined && sameSpec(old.spec, spec)) return undefined;
  return withSpec(kept, spec, now);
}

/**
 * An entry that a set of declarations has. A set that was there before keeps its turn: restarting an old deploy does
 * not bring back what a newer one changed.
 */
export function declareEntry(
  old: StoredEntry | undefined,
  set: string,
  { spec, alive, now }: { readonly spec: Spec; readonly alive: ReadonlySet<string>; readonly now: number },
): StoredEntry | undefined {
  if (old === undefined) return { ...fresh(spec, now), declared: { [set]: { since: now, spec } } };
  // What was set by a call stays until it is removed.
  if (old.declared === undefined) return undefined;
  const known = old.declared[set];
  if (known !== undefined) return settleEntry(old, alive, now);
  const others = Object.entries(old.declared)
    .sort(([, a], [, b]) => b.since - a.since)
    .slice(0, MOST_SETS - 1);
  const declared = { ...Object.fromEntries(others), [set]: { since: now, spec } };
  return settleEntry({ ...old, declared }, alive, now) ?? { ...old, declared };
}

/** What the passing of sets makes of an entry; `undefined` when it is as it should be. */
export function settleEntry(
  entry: StoredEntry,
  alive: ReadonlySet<string>,
  now: number,
): StoredEntry | undefined {
  const spec = specInForce(entry, alive);
  if (spec === undefined) return entry.abandonedAt === undefined ? { ...entry, abandonedAt: now } : undefined;
  if (entry.abandonedAt === undefined && sameSpec(entry.spec, spec)) return undefined;
  const { abandonedAt: _, ...kept } = entry;
  return withSpec(kept, spec, now);
}

/** Whether nobody alive wants it: then it does not tick, and nobody is shown it. */
export function isAbandoned(entry: StoredEntry, alive: ReadonlySet<string>): boolean {
  return specInForce(entry, alive) === undefined;
}

/** Whether an abandoned entry may go for good. */
export function isOutlived({ abandonedAt }: StoredEntry, now: number): boolean {
  return abandonedAt !== undefined && now - abandonedAt > KEPT_MS;
}

/** The sets that declare any of these. */
export function setsOf(entries: Iterable<StoredEntry>): string[] {
  return [...new Set([...entries].flatMap(({ declared }) => Object.keys(declared ?? {})))];
}

export function pauseEntry(entry: StoredEntry): StoredEntry | undefined {
  return entry.paused ? undefined : { ...entry, paused: true, nextAt: null };
}

/** What was missed meanwhile is not made up for. */
export function resumeEntry(entry: StoredEntry, now: number): StoredEntry | undefined {
  return entry.paused ? { ...entry, paused: false, nextAt: nextOf(entry, now) } : undefined;
}

/**
 * The tick that is due, if any, and the one after it. Those that came due while nobody was there were missed: the last of
 * them runs, for all of them.
 * @param watchedSince since when the worker that asks has watched the entries, over a broker that answers
 */
export function dueTick(
  entry: StoredEntry,
  now: number,
  watchedSince: number,
): { readonly at: number; readonly nextAt: number | null } | undefined {
  const { nextAt } = entry;
  if (nextAt === null || nextAt > now) return undefined;
  const missed = nextAt < watchedSince || now - nextAt > LATE_MS;
  const at = missed ? lastTick(courseOf(entry), nextAt, now) : nextAt;
  return { at, nextAt: nextOf(entry, at) };
}

/** `JSON.stringify` of two specs made by the same code gives the same text for the same thing. */
function sameSpec(a: Spec, b: Spec): boolean {
  return contentOf(a) === contentOf(b);
}

/** A spec's text without where it goes: route functions need not be deterministic. */
export function contentOf({ place: _, ...content }: Spec): string {
  return JSON.stringify(content);
}

function fresh(spec: Spec, now: number): StoredEntry {
  const entry = { spec, anchorAt: now, nextAt: null, paused: false };
  return { ...entry, nextAt: nextOf(entry, now) };
}

/** A changed schedule starts anew; one that only does something else keeps its time. */
function withSpec(entry: StoredEntry, spec: Spec, now: number): StoredEntry {
  const timing = ({ schedule, timezone }: Spec) => JSON.stringify([schedule, timezone]);
  if (timing(entry.spec) === timing(spec)) return { ...entry, spec };
  const changed = { ...entry, spec, anchorAt: now };
  return { ...changed, nextAt: changed.paused ? null : nextOf(changed, now) };
}

function specInForce({ spec, declared }: StoredEntry, alive: ReadonlySet<string>): Spec | undefined {
  if (declared === undefined) return spec;
  return Object.entries(declared)
    .filter(([set]) => alive.has(set))
    .reduce<Declared | undefined>(
      (last, [, next]) => (last && last.since > next.since ? last : next),
      undefined,
    )?.spec;
}

function nextOf(entry: StoredEntry, after: number): number | null {
  return nextTick(courseOf(entry), after) ?? null;
}

function courseOf({ spec, anchorAt }: StoredEntry): Timing {
  return { schedule: spec.schedule, timezone: spec.timezone, anchorAt };
}
