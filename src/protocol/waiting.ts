/**
 * What a waiting task carries in its job: what it waits for, and how often it was woken before. It stands in the job's
 * stack, which BullMQ writes in the same step as the delay, on every engine. Pure; documented in
 * `docs/internals/protocol.md`.
 */
import { type Message, packStack, unpackStack } from './message.js';

/** One thing that a task waits for. */
export interface WaitingFor {
  readonly kind: 'sleep' | 'wait';
  /** The name given to `sleep` or `waitFor`. */
  readonly name: string;
  /** When it is over at the latest, epoch ms by the broker's clock; absent for a wait without a timeout. */
  readonly until?: number;
}

/** The state of a task that waits. */
export interface Park {
  /** How often a worker had fetched the job by then. */
  readonly starts: number;
  /** How many of those fetches were wakings, plus the one that ends this wait. */
  readonly wakings: number;
  /** How long the attempt has run so far, ms. */
  readonly ranMs: number;
  /** Never empty. */
  readonly for: readonly WaitingFor[];
}

/** What a delivery that ends a wait continues. */
export interface Stretch {
  /** How long the attempt ran before, ms. */
  readonly ranMs: number;
}

/** The deliveries of a job that were wakings, and what the last one continues. */
export interface Wakings {
  readonly wakings: number;
  /** Absent when the last delivery began an attempt. */
  readonly woken?: Stretch;
}

/** What the stack of a job that waits begins with. */
export const PARK_MARK = 'celeriac waits: ';
/** The last moment that a Date has, epoch ms. */
const LAST_MOMENT = 8.64e15;
const NONE: Wakings = Object.freeze({ wakings: 0 });

/** The stack of a job that waits. */
export function packPark(park: Park): string {
  return PARK_MARK + JSON.stringify(park);
}

/** What the stack of a job says of its last wait; undefined for any other stack. */
export function parkIn(stack: string | undefined): Park | undefined {
  if (stack?.startsWith(PARK_MARK) !== true) return undefined;
  try {
    const park: unknown = JSON.parse(stack.slice(PARK_MARK.length));
    return isPark(park) ? park : undefined;
  } catch {
    return undefined; // another program's text
  }
}

/** Any client of the broker can write the text. */
function isPark(value: unknown): value is Park {
  if (typeof value !== 'object' || value === null) return false;
  const { starts, wakings, ranMs, for: waits } = value as Partial<Record<keyof Park, unknown>>;
  return [starts, wakings, ranMs].every(Number.isFinite) && Array.isArray(waits) && waits.every(isWaitingFor);
}

function isWaitingFor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, name, until } = value as Partial<Record<keyof WaitingFor, unknown>>;
  return (
    (kind === 'sleep' || kind === 'wait') &&
    typeof name === 'string' &&
    (until === undefined || isMoment(until))
  );
}

function isMoment(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= LAST_MOMENT;
}

/**
 * How many of a job's deliveries were wakings.
 * @param starts how often a worker has fetched the job, the present delivery included
 */
export function wakingsOf(stack: string | undefined, starts: number): Wakings {
  if (stack === undefined) return NONE;
  const park = parkIn(stack);
  if (park === undefined) return wakingsInError(stack);
  const { wakings, ranMs } = park;
  // Fetched as it waits: the waking itself has not come yet.
  if (starts <= park.starts) return { wakings: wakings - 1 };
  return starts === park.starts + 1 ? { wakings, woken: { ranMs } } : { wakings };
}

/** How often a worker started a task, by its record: wakings count as none. */
export function deliveriesIn(
  job: { readonly stack?: string | undefined; readonly deliveries: number },
  { begun = 0 }: Pick<Message, 'begun'>,
): number {
  return job.deliveries - wakingsOf(job.stack, job.deliveries).wakings + begun;
}

/** The stack of a failed attempt, with the number of wakings before it: they count as no deliveries. */
export function withWakings(stack: string, wakings: number): string {
  if (wakings === 0) return stack;
  const { stack: text, wireError } = unpackStack(stack);
  return packStack(text, { ...(wireError as object), wakings });
}

function wakingsInError(stack: string): Wakings {
  if (!stack.includes('"wakings":')) return NONE;
  const { wireError } = unpackStack(stack);
  const wakings: unknown =
    typeof wireError === 'object' && wireError !== null ? Reflect.get(wireError, 'wakings') : undefined;
  return typeof wakings === 'number' ? { wakings } : NONE;
}
