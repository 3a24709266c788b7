/**
 * The port for looking through the jobs of queues, page by page: where BullMQ keeps them, in its own order. Each step is
 * bounded, however many jobs there are and however deep a page lies. A job that moves meanwhile may come twice or not at
 * all: nothing is locked for a reader.
 */
/** Where BullMQ keeps the jobs of a queue, one of them each. */
export type JobSet =
  | 'active'
  | 'waiting'
  | 'prioritized'
  | 'delayed'
  | 'waiting-children'
  | 'completed'
  | 'failed';

/** Sets of ended jobs, in the order of their ends. The others are in BullMQ's order of running. */
export const ENDED_SETS: readonly JobSet[] = ['completed', 'failed'];

/** All sets, those of ended jobs last. */
export const JOB_SETS: readonly JobSet[] = [
  'active',
  'waiting',
  'prioritized',
  'delayed',
  'waiting-children',
  ...ENDED_SETS,
];

/** A page to be read. */
export interface PageAsked {
  readonly queue: string;
  readonly set: JobSet;
  /** The latest first; else the earliest. */
  readonly newest: boolean;
  /** The mark of the last job of the page before; in sets of ended jobs also one of {@link endedMark}. */
  readonly after: string | undefined;
  readonly limit: number;
}

/** A job on a page. */
export interface PlacedJob {
  readonly id: string;
  /** Where it stands, for the next page. Only the engine reads it, and {@link placeOfMark}. */
  readonly mark: string;
}

/** The mark of a moment and an id, epoch ms, in a set of ended jobs. Without an id it comes before all of that moment. */
export function endedMark(at: number, id = ''): string {
  return `${at}:${id}`;
}

/** The moment and the id of a mark in a set of ended jobs. */
export function placeOfMark(mark: string): { readonly at: number; readonly id: string } {
  const colon = mark.indexOf(':');
  return { at: Number(mark.slice(0, colon)), id: mark.slice(colon + 1) };
}
