/**
 * A schedule's entry: what is stored, and its changes, as pure functions. Entries are set by a call
 * (`app.schedules.upsert`) or declared in code. Several deploys may declare one name differently at the same time:
 * the latest live declaration counts, so that deploys never fight; when no declaring worker is alive any more, the
 * entry ends too.
 */
import type { CallOptions } from '../options/call-options.js';
import type { UniqueOptions } from '../options/limits.js';
import type { Schedule } from '../options/schedules.js';
import type { PublishPolicy } from '../options/task-options.js';
import type { OwnNext } from './own-kinds.js';
import { lastTick, nextTick, type Timing } from './ticks.js';

/** The call options that make sense for every tick. */
export type ScheduleOptions = Omit<CallOptions, 'taskId' | 'eta' | 'link' | 'linkError'>;

/** What runs, when and how, as stored. */
export interface Spec {
  readonly task: string;
  /** Encoded, as in a message. */
  readonly args: unknown;
  /** What is shown instead of hidden arguments, as in a message. */
  readonly shown?: true | readonly unknown[];
  readonly options: ScheduleOptions;
  readonly schedule: Schedule;
  /** The arguments are made at each tick, by the code of this mark; `args` is empty then. */
  readonly argsBy?: string;
  /** The app's time zone, for crontabs that name none. */
  readonly timezone: string;
  /** The publish options of the task, for workers that tick it without its code. */
  readonly publish: StoredPublish;
  /** The queue or lane it would have gone to when it was set. */
  readonly place: string;
}

/** A {@link PublishPolicy} with the unique key computed: the arguments never change. */
export interface StoredPublish extends Omit<PublishPolicy, 'unique'> {
  readonly unique: { key?: string; ttlMs?: number; mode: UniqueOptions['mode'] } | undefined;
}

/** A claimed tick that may not have been sent yet. */
export interface PendingTick {
  /** The moment it was due, epoch ms. */
  readonly at: number;
  readonly taskId: string;
  readonly claimedAt: number;
}

/** One set's declaration of the entry, and since when that set is known. */
interface Declared {
  readonly since: number;
  readonly spec: Spec;
}

export interface StoredEntry {
  /** The spec in force. */
  readonly spec: Spec;
  /** Declarations by set; absent for an entry set by a call. */
  readonly declared?: Readonly<Record<string, Declared>>;
  /** Since when no live set declares it. */
  readonly abandonedAt?: number;
  readonly anchorAt: number;
  /** `null` when paused, or without a next tick. */
  readonly nextAt: number | null;
  /** `nextAt` is no tick: a worker with the code of its kind finds the next one from there. */
  readonly sought?: true;
  readonly lastAt?: number;
  readonly paused: boolean;
  readonly pending?: PendingTick;
  /** The last ticks, newest first. */
  readonly history?: readonly StoredTick[];
}

/** A tick that was claimed. */
export interface StoredTick {
  /** The moment it was due, epoch ms. */
  readonly at: number;
  readonly taskId: string;
  /** How much later it was sent, ms. */
  readonly late: number;
}

/** How late a worker that was running at the due time still runs a tick, ms; later ticks count as missed. */
const LATE_MS = 5_000;
/** How long an abandoned entry is kept, ms: a restart within this time keeps its pause and its last run. */
const KEPT_MS = 7 * 86_400_000;
/** Ticks remembered. */
const MOST_TICKS = 20;
/** Most sets remembered besides the one in force. */
const MOST_SETS = 8;

/** An entry set by a call. */
export function setEntry(old: StoredEntry | undefined, spec: Spec, now: number): StoredEntry | undefined {
  if (old === undefined) return fresh(spec, now);
  const { declared, abandonedAt: _, ...kept } = old;
  if (declared === undefined && sameSpec(old.spec, spec)) return undefined;
  return withSpec(kept, spec, now);
}

/**
 * Adds a set's declaration to an entry. A set that was known before keeps its place: restarting an old deploy must
 * not undo what a newer one changed.
 */
export function declareEntry(
  old: StoredEntry | undefined,
  set: string,
  { spec, alive, now, own }: Declaring,
): StoredEntry | undefined {
  if (old === undefined) return { ...fresh(spec, now, own), declared: { [set]: { since: now, spec } } };
  // An entry set by a call stays until it is removed.
  if (old.declared === undefined) return undefined;
  const known = old.declared[set];
  if (known !== undefined) return settleEntry(old, alive, now, own);
  const others = Object.entries(old.declared)
    .sort(([, a], [, b]) => b.since - a.since)
    .slice(0, MOST_SETS - 1);
  const declared = { ...Object.fromEntries(others), [set]: { since: now, spec } };
  return settleEntry({ ...old, declared }, alive, now, own) ?? { ...old, declared };
}

/** A declaration as it is made. */
export interface Declaring {
  readonly spec: Spec;
  /** The sets that are alive. */
  readonly alive: ReadonlySet<string>;
  readonly now: number;
  /** The code of the spec's kind, if it is one of its own. */
  readonly own?: OwnNext | undefined;
}

/** Applies the end of dead sets to an entry; `undefined` if nothing changes. */
export function settleEntry(
  entry: StoredEntry,
  alive: ReadonlySet<string>,
  now: number,
  own?: OwnNext,
): StoredEntry | undefined {
  const spec = specInForce(entry, alive);
  if (spec === undefined) return entry.abandonedAt === undefined ? { ...entry, abandonedAt: now } : undefined;
  if (entry.abandonedAt === undefined && sameSpec(entry.spec, spec)) return undefined;
  const { abandonedAt: _, ...kept } = entry;
  return withSpec(kept, spec, now, own);
}

/** True if no live set declares the entry: it does not tick, and is not listed. */
export function isAbandoned(entry: StoredEntry, alive: ReadonlySet<string>): boolean {
  return specInForce(entry, alive) === undefined;
}

/** True if an abandoned entry may be deleted. */
export function isOutlived({ abandonedAt }: StoredEntry, now: number): boolean {
  return abandonedAt !== undefined && now - abandonedAt > KEPT_MS;
}

/** The sets that declare any of these. */
export function setsOf(entries: Iterable<StoredEntry>): string[] {
  return [...new Set([...entries].flatMap(({ declared }) => Object.keys(declared ?? {})))];
}

export function pauseEntry(entry: StoredEntry): StoredEntry | undefined {
  return entry.paused ? undefined : withNext({ ...entry, paused: true }, NEVER);
}

/** Resumes; ticks missed meanwhile are not made up for. */
export function resumeEntry(entry: StoredEntry, now: number): StoredEntry | undefined {
  return entry.paused ? withNext({ ...entry, paused: false }, nextOf(entry, now)) : undefined;
}

/**
 * The due tick, if any, and the one after it. Of several ticks that came due while no worker was running, those run
 * that the schedule's `catchUp` says: by default the last.
 * @param watchedSince since when the calling worker has watched the entries without an outage
 * @returns without `at`: what was missed is not made up for
 */
export function dueTick(
  entry: StoredEntry,
  now: number,
  watchedSince: number,
  own?: OwnNext,
): ({ readonly at?: number } & Next) | undefined {
  const { nextAt } = entry;
  if (nextAt === null || nextAt > now) return undefined;
  if (entry.sought === true) return nextOf(entry, nextAt, own);
  const missed = nextAt < watchedSince || now - nextAt > LATE_MS;
  const { catchUp = 'last' } = entry.spec.schedule;
  if (missed && catchUp === 'none') return nextOf(entry, now, own);
  const at = missed && catchUp === 'last' ? lastTick(courseOf(entry, own), nextAt, now) : nextAt;
  return { at, ...nextOf(entry, at, own) };
}

/** Remembers a tick. */
export function withTick(history: StoredEntry['history'] = [], tick: StoredTick): readonly StoredTick[] {
  return [tick, ...history].slice(0, MOST_TICKS);
}

/** Specs made by the same code give the same JSON text for the same content. */
function sameSpec(a: Spec, b: Spec): boolean {
  return contentOf(a) === contentOf(b);
}

/** A spec's text without where it goes: route functions need not be deterministic. */
export function contentOf({ place: _, ...content }: Spec): string {
  return JSON.stringify(content);
}

function fresh(spec: Spec, now: number, own?: OwnNext): StoredEntry {
  const entry = { spec, anchorAt: now, nextAt: null, paused: false };
  return withNext(entry, nextOf(entry, now, own));
}

/** A changed schedule starts anew; any other change keeps the time of the next tick. */
function withSpec(entry: StoredEntry, spec: Spec, now: number, own?: OwnNext): StoredEntry {
  const timing = ({ schedule, timezone }: Spec) => JSON.stringify([schedule, timezone]);
  if (timing(entry.spec) === timing(spec)) return { ...entry, spec };
  const changed = { ...entry, spec, anchorAt: now };
  return withNext(changed, changed.paused ? NEVER : nextOf(changed, now, own));
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

/** When the next tick is, or from where a worker with the code seeks it. */
export type Next = Pick<StoredEntry, 'nextAt' | 'sought'>;

/** No next tick. */
export const NEVER: Next = Object.freeze({ nextAt: null });

/** The entry with another next tick. */
export function withNext(entry: StoredEntry, next: Next): StoredEntry {
  const { sought: _, ...rest } = entry;
  return { ...rest, ...next };
}

function nextOf(entry: StoredEntry, after: number, own?: OwnNext): Next {
  if (entry.spec.schedule.kind === 'own' && own === undefined) return { nextAt: after, sought: true };
  return { nextAt: nextTick(courseOf(entry, own), after) ?? null };
}

function courseOf({ spec, anchorAt }: StoredEntry, own: OwnNext | undefined): Timing {
  return { schedule: spec.schedule, timezone: spec.timezone, anchorAt, own };
}

/** True if only a process with the declaring code can tick it. @param spec as any client of the broker may have written it */
export function needsCode(spec: Partial<Spec> | undefined): boolean {
  return spec?.schedule?.kind === 'own' || spec?.argsBy !== undefined;
}
